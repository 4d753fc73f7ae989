"""What a run tells of its cell and of the lock that it goes by, before anything is fetched for it."""

from __future__ import annotations

from datetime import datetime

from ascend_wheelhouse.base.events import Emit, Note
from ascend_wheelhouse.cells.cell import Cell
from ascend_wheelhouse.cells.cutoff import cutoff
from ascend_wheelhouse.cells.recipe import Recipes
from ascend_wheelhouse.locks.lock import Lock
from ascend_wheelhouse.make.lesser_build import lesser_builds
from ascend_wheelhouse.make.passed_over import passed_over
from ascend_wheelhouse.make.project_folder import ProjectFolder
from ascend_wheelhouse.make.relock import hold_to_recipes
from ascend_wheelhouse.store.store import Store


def tell_derived(cell: Cell, emit: Emit) -> None:
    """Tell all that is to be known of a cell that no stack lists."""
    for text in cell.told:
        emit(Note(text=text, level="warning"))


def tell_cutoff(committed: Lock, asked: datetime | None, emit: Emit) -> None:
    """Tell that a committed lock knows the index up to another time than the one asked for."""
    if asked and cutoff(committed.inputs.exclude_newer) != asked:
        text = "the committed lock is used as it is; --upgrade resolves again with --exclude-newer"
        emit(Note(text=text, level="warning"))


def tell_passed_over(cell: Cell, lock: Lock, store: Store, build: frozenset[str], emit: Emit) -> None:
    """Tell which imported files a lock has others for."""
    if text := passed_over(cell, lock, store, build):
        emit(Note(text=text, level="warning"))


def tell_recipes(committed: Lock, folder: ProjectFolder, cell: Cell, emit: Emit) -> None:
    """Tell of patches that a committed lock names and that are not here any more.

    Raises:
        BuildTableChangedError: It was made with another `[build]` table than one that is here.
        PatchesChangedError: There are others here.
    """
    for text in hold_to_recipes(committed, folder, cell):
        emit(Note(text=text, level="warning"))


def tell_lesser(cell: Cell, recipes: Recipes, lock: Lock, emit: Emit) -> None:
    """Tell which wheels of a lock are there for want of better ones."""
    for text in lesser_builds(cell, recipes, lock):
        emit(Note(text=text, level="warning"))
