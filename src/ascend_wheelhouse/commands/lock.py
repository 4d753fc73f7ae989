"""`invoke lock`: makes a lock, and says what changed and why."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from packaging.utils import canonicalize_name

from ascend_wheelhouse import console
from ascend_wheelhouse.base import counting
from ascend_wheelhouse.base.events import Emit, Note
from ascend_wheelhouse.cells.cell import Cell
from ascend_wheelhouse.locks.lock import BadLockError, Lock
from ascend_wheelhouse.locks.lock_diff import Change, compare
from ascend_wheelhouse.locks.lock_recipes import ForeignLockError
from ascend_wheelhouse.locks.pylock_model import InvalidPylockError
from ascend_wheelhouse.make.asked_cell import cell_of
from ascend_wheelhouse.make.building import building_of
from ascend_wheelhouse.make.fetcher import Fetcher
from ascend_wheelhouse.make.lock import lock_of
from ascend_wheelhouse.make.options import LockChoice
from ascend_wheelhouse.make.project_folder import ProjectFolder
from ascend_wheelhouse.pages.profile import profiled


@dataclass(frozen=True, kw_only=True)
class LockOptions:
    """What `invoke lock` was asked for.

    Args:
        root: The project folder.
        lock: Which lock; with its `upgrade` a new one is made although one is committed.
        json: Print one JSON document.
        profile: The page for the times of the run, with a trace beside it.
    """

    root: Path
    lock: LockChoice
    json: bool = False
    profile: Path | None = None


def main(options: LockOptions) -> None:
    """Make a lock where none is committed, or when upgraded a new one; print the difference.

    A first lock, of which every wheel is added, is listed with `--verbose` alone.
    """
    with (
        console.reporter("json" if options.json else "auto", stream=sys.stderr) as told,
        profiled(told, options.profile, "lock") as emit,
    ):
        folder = ProjectFolder.load(options.root)
        fetcher = Fetcher(recipes=folder.recipes, emit=emit)
        cell = cell_of(options.lock.request, folder, fetcher.http)
        before = _before(options.lock, folder, cell, emit)
        with fetcher.store.in_use(emit):
            after = lock_of(options.lock, folder, building_of(cell, folder, fetcher))
    stated = (one.partition("==") for one in options.lock.packages)
    changes = compare(
        before, after, asked={canonicalize_name(name.strip()) for name, _, version in stated if version}
    )
    place = folder.lock_folder(cell).relative_to(options.root)
    pending = [item.component for item in after.pending]
    if options.json:
        console.print_json({"lock": str(place), "changes": [asdict(c) for c in changes], "pending": pending})
        return
    if before is not None or console.is_verbose():
        show_changes(changes)
    console.line(f"{place}: {counting.counted(len(after.installed), 'wheel')} locked for {after.platform}")
    if pending:
        console.line(f"pending: {', '.join(pending)}")


def _before(choice: LockChoice, folder: ProjectFolder, cell: Cell, emit: Emit) -> Lock | None:
    """Return the committed lock; None where there is none, or where one that cannot be read is made again."""
    try:
        return folder.lock_before(cell)
    except (BadLockError, InvalidPylockError, ForeignLockError) as error:
        if not choice.upgrade:
            raise
        emit(Note(text=f"made again, all of its wheels count as added: {error.what}", level="warning"))
        return None


def show_changes(changes: list[Change]) -> None:
    """Print what moved between two locks."""
    if not changes:
        console.line("Nothing changed.")
        return
    rows = [[c.name, c.kind, c.before or "-", c.after or "-", c.reason] for c in changes]
    console.table(["name", "change", "before", "after", "why"], rows)
