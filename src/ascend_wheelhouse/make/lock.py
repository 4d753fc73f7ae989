"""The lock that a run goes by: the committed one where it fits, else a new one that is written to `lockfiles/`."""

from __future__ import annotations

from ascend_wheelhouse.base.errors import SourceUnreachableError
from ascend_wheelhouse.base.timed import timed
from ascend_wheelhouse.cells.cell import Cell, require_components
from ascend_wheelhouse.locks.lock import Lock
from ascend_wheelhouse.make.building import Building
from ascend_wheelhouse.make.freshness import lock_digest
from ascend_wheelhouse.make.late_sources import come_by_now, with_sources
from ascend_wheelhouse.make.lock_notes import (
    tell_cutoff,
    tell_derived,
    tell_lesser,
    tell_passed_over,
    tell_recipes,
)
from ascend_wheelhouse.make.moved_lock import NoLockToKeepError, moved_lock
from ascend_wheelhouse.make.new_lock import new_lock
from ascend_wheelhouse.make.options import LockChoice
from ascend_wheelhouse.make.project_folder import ProjectFolder


class NewLockOfflineError(SourceUnreachableError):
    """A lock is to be made, and no origin may be asked."""


def lock_of(options: LockChoice, folder: ProjectFolder, building: Building) -> Lock:
    """Return the committed lock of the cell that is built, or a new one that is written to `lockfiles/`.

    Raises:
        UnknownComponentError: What is to be built from source is no component of the cell.
        StaleLockError: The committed lock is for another cell.
        NewLockOfflineError: A new lock is needed or asked for, and no origin may be asked.
        NoLockToKeepError, NotMovedAloneError: A wheel cannot move alone.
        OtherNeedsError: A source that was handed over since asks for something else.
        BuildTableChangedError, PatchesChangedError: A recipe, or its patches, are not those of the committed lock.
    """
    cell, emit = building.cell, building.fetcher.emit
    require_components(cell, options.build)
    tell_derived(cell, emit)
    lock = _committed_or_new(options, folder, building)
    tell_lesser(cell, folder.recipes, lock, emit)
    tell_passed_over(cell, lock, building.fetcher.store, options.build, emit)
    return lock


def _committed_or_new(options: LockChoice, folder: ProjectFolder, building: Building) -> Lock:
    cell = building.cell
    committed = None if options.upgrade else folder.committed_lock(cell)
    if committed is None and options.packages:
        raise NoLockToKeepError(
            f"{cell.name} has no lock in which {', '.join(sorted(options.packages))} could move alone.",
            next_step=f"invoke lock {cell.words}",
        )
    if committed is None:
        if building.fetcher.offline:
            raise _offline(cell, upgrade=options.upgrade)
        return new_lock(options, folder, building)
    tell_recipes(committed, folder, cell, building.fetcher.emit)
    if options.packages:
        return moved_lock(options, folder, building, committed)
    tell_cutoff(committed, options.exclude_newer, building.fetcher.emit)
    more = options.build - {source.component for source in committed.sources}
    more |= come_by_now(committed, folder, building)
    return with_sources(committed, more, folder, building) if more else committed


def _offline(cell: Cell, *, upgrade: bool) -> NewLockOfflineError:
    what, how = (
        "has no lock",
        f"`invoke lock {cell.words}` where the index answers; then the same command again",
    )
    if upgrade:
        what = "is to have a new lock (--upgrade)"
        how = f"`invoke lock --upgrade {cell.words}` where the index answers; then this without --upgrade"
    return NewLockOfflineError(
        f"{cell.name} {what}, and --offline makes none.",
        why="Which versions fit is asked of the package index. --offline asks no origin.",
        next_step=how,
    )


def pinned_lock_of(options: LockChoice, folder: ProjectFolder, building: Building) -> tuple[Lock, str]:
    """Return what `lock_of` returns, and the digest of the lock's files as they were then."""
    with timed(building.fetcher.emit, "resolve", "lock"):
        lock = lock_of(options, folder, building)
    return lock, lock_digest(folder.lock_layers(building.cell))
