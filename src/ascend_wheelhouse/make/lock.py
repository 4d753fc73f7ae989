"""The lock that a run goes by: the committed one where it fits, else a new one that is written to `lockfiles/`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from ascend_wheelhouse.base.errors import UsageError
from ascend_wheelhouse.base.events import Note
from ascend_wheelhouse.cells.cell import Cell, require_components
from ascend_wheelhouse.cells.cutoff import cutoff
from ascend_wheelhouse.locks.lock import Lock, LockedSource, Pending, save
from ascend_wheelhouse.make.building import Building
from ascend_wheelhouse.make.locator import locator_of
from ascend_wheelhouse.make.new_lock import new_lock
from ascend_wheelhouse.make.options import LockChoice
from ascend_wheelhouse.make.project_folder import ProjectFolder
from ascend_wheelhouse.make.source_wheels import is_pure
from ascend_wheelhouse.pin.locate import ToBuild

if TYPE_CHECKING:
    from ascend_wheelhouse.pin.source_builds import SourceBuilds


class StaleLockError(UsageError):
    """A committed lock was made for another cell than the stack file now describes."""


class OtherNeedsError(UsageError):
    """A source that came after its lock was made asks for other packages than the lock holds."""


def lock_of(options: LockChoice, folder: ProjectFolder, building: Building) -> Lock:
    """Return the committed lock of the cell that is built, or a new one that is written to `lockfiles/`.

    Raises:
        UnknownComponentError: What is to be built from source is no component of the cell.
        StaleLockError: The committed lock is for another cell.
        OtherNeedsError: A source that was handed over since asks for something else.
    """
    cell, emit = building.cell, building.fetcher.emit
    require_components(cell, options.build)
    if cell.derived:
        emit(Note(text=f"{cell.name} is derived: {cell.notes[0]}", level="warning"))
    committed = None if options.upgrade else folder.committed_lock(cell)
    if committed is None:
        return new_lock(options, folder, building)
    _check_fits(committed, cell)
    if options.exclude_newer and cutoff(committed.inputs.exclude_newer) != options.exclude_newer:
        text = "the committed lock is used as it is; --upgrade resolves again with --exclude-newer"
        emit(Note(text=text, level="warning"))
    more = options.build - {source.component for source in committed.sources}
    more |= _come_by_now(committed, folder, building)
    return _with_sources(committed, more, folder, building) if more else committed


def _come_by_now(lock: Lock, folder: ProjectFolder, building: Building) -> frozenset[str]:
    """Return the pending components whose wheels any host builds, and whose source can be had by now."""
    pure = [one.component for one in lock.pending if is_pure(folder.recipes[one.component])]
    if not pure:
        return frozenset()
    fetcher = building.fetcher
    locator = locator_of(building.cell, folder, fetcher, offline=fetcher.offline)
    return frozenset(name for name in pure if isinstance(locator.locate(name), ToBuild))


def _require_needs(lock: Lock, source: LockedSource, folder: ProjectFolder, builds: SourceBuilds) -> None:
    """Hold a source that came after the lock to what the lock was made with."""
    asked = builds.needs(source, folder.recipes[source.component])
    if lacking := sorted(asked - set(lock.inputs.requirements)):
        raise OtherNeedsError(
            f"The source of {source.component} {source.version} asks for {', '.join(lacking)}.",
            why="The lock was made without its source, from the list that the recipe has for this release.",
            next_step=f"invoke lock --upgrade {builds.cell.words}",
        )


def _with_sources(lock: Lock, names: frozenset[str], folder: ProjectFolder, building: Building) -> Lock:
    """Return a committed lock in which further components are built from source, and write it.

    A component whose source cannot be reached is pending in the lock that is returned, not in the one written.

    Raises:
        OtherNeedsError: A source asks for something else than the lock holds.
    """
    cell, fetcher = building.cell, building.fetcher
    builds = building.source_builds()
    locator = locator_of(cell, folder, fetcher, build=names, offline=fetcher.offline)
    answers = [locator.locate(name) for name in sorted(names)]
    tables = {*names, *(source.component for source in lock.sources if source.build)}
    apart = {canonicalize_name(folder.recipes[name].distribution) for name in tables}
    found = [
        builds.lock(one, locator.fields(one.recipe), lock.wheels, built=apart)
        if isinstance(one, ToBuild)
        else one
        for one in answers
    ]
    sources = [one for one in found if isinstance(one, LockedSource)]
    for source in sources:
        _require_needs(lock, source, folder, builds)
    built = {source.component for source in sources}
    new = replace(
        lock,
        wheels=tuple(wheel for wheel in lock.wheels if wheel.component not in built),
        sources=(*lock.sources, *sources),
        pending=tuple(one for one in lock.pending if one.component not in built),
    )
    if sources:
        save(new, cell.target, folder.lock_folder(cell))
    return replace(new, pending=(*new.pending, *(one for one in found if isinstance(one, Pending))))


def _check_fits(lock: Lock, cell: Cell) -> None:
    wanted = cell.as_manifest()
    if lock.cell != wanted:
        changed = sorted(key for key in wanted | lock.cell if wanted.get(key) != lock.cell.get(key))
        raise StaleLockError(
            f"The lock of {cell.name} was made for another cell: {', '.join(changed)} differ.",
            why="The stack file was changed after the lock was made.",
            next_step=f"invoke lock --upgrade {cell.words}",
        )
