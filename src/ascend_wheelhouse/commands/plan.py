"""`invoke plan` and `invoke wheelhouse --dry-run`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ascend_wheelhouse import console
from ascend_wheelhouse.base.clock import SystemClock
from ascend_wheelhouse.base.errors import UsageError
from ascend_wheelhouse.build.trees import held_trees, tree_rows
from ascend_wheelhouse.cells.cell import Cell
from ascend_wheelhouse.cells.request import Request
from ascend_wheelhouse.console.plan_view import Form, show
from ascend_wheelhouse.console.tree_view import TreeRow
from ascend_wheelhouse.make.asked_cell import cell_of
from ascend_wheelhouse.make.known_extras import has_extras
from ascend_wheelhouse.make.lesser_build import lesser_builds
from ascend_wheelhouse.make.passed_over import passed_over
from ascend_wheelhouse.make.plan import plan
from ascend_wheelhouse.make.project_folder import ProjectFolder
from ascend_wheelhouse.make.relock import hold_to_recipes
from ascend_wheelhouse.origins.mirrors import Mirrors
from ascend_wheelhouse.pin.supply import imported
from ascend_wheelhouse.store.store import Store


class TwoFormsError(UsageError):
    """A plan was asked for in two forms at once."""


def form_of(*, dot: bool, json: bool) -> Form:
    """Return the form that options ask for.

    Raises:
        TwoFormsError: They ask for two.
    """
    if dot and json:
        raise TwoFormsError(
            "--dot and --json do not go together.",
            why="A plan is printed in one form.",
            next_step="one of the two: `invoke plan --json {cell}`",
        )
    return "dot" if dot else "json" if json else "table"


@dataclass(frozen=True, kw_only=True)
class PlanOptions:
    """What `invoke plan` was asked for.

    Args:
        root: The project folder.
        request: The cell.
        output: Folder that holds the wheelhouses.
        form: How the plan is printed.
        whole: Show what is in the store already, too.
        offline: Ask no index what a cell consists of that no stack lists.
    """

    root: Path
    request: Request
    output: Path
    form: Form = "table"
    whole: bool = False
    offline: bool = False


def main(options: PlanOptions) -> None:
    """Print the plan of a wheelhouse.

    Raises:
        MirrorsError: The mirrors cannot be read.
        UnknownExtraError: The source of the application is here, and has no such extra.
        BuildTableChangedError, PatchesChangedError: A recipe, or its patches, are not those of the committed lock.
    """
    Mirrors.read()  # what is wrong in them would end the run that the plan is of
    folder = ProjectFolder.load(options.root)
    cell = cell_of(options.request, folder, offline=options.offline)
    lock = folder.committed_lock(cell)
    finished = (options.output / cell.name / "manifest.json").is_file()
    store = Store()
    unread = _unread(cell, folder, store) if lock is None and cell.project_extras else ()
    held = (*hold_to_recipes(lock, folder, cell), passed_over(cell, lock, store)) if lock else ()
    notes = (*lesser_builds(cell, folder.recipes, lock), *filter(None, held), *unread)
    console.aside(*cell.told, *notes)

    def kept(component: str) -> tuple[TreeRow, ...]:
        return tree_rows(held_trees(store, {component}))

    rows = plan(cell, lock, store.has, _given(store, cell), kept=kept, finished=finished)
    show(rows, options.form, whole=options.whole, now=SystemClock().wall(), notes=notes)


def _unread(cell: Cell, folder: ProjectFolder, store: Store) -> Iterator[str]:
    """Yield a note on extras that nobody can look up: those of a project file are read when its source is here."""
    looked_up = not _given(store, cell)(cell.application) and has_extras(cell, folder, store)
    if not looked_up:
        names = ", ".join(cell.project_extras)
        asked = f"{cell.application} {cell.components[cell.application]} is asked for its extra {names}"
        yield f"{asked}: whether it has that is read from its source by the run, which ends with 2 where it has not"


def _given(store: Store, cell: Cell) -> Callable[[str], str]:
    look_up = imported(store)

    def given(component: str) -> str:
        file = look_up(component, cell)
        return file.filename if file else ""

    return given
