"""Sources that are to be had, or asked for, after the lock of a cell was made."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from ascend_wheelhouse.base.errors import UsageError
from ascend_wheelhouse.locks.lock import Lock, LockedSource, Pending
from ascend_wheelhouse.make.building import Building
from ascend_wheelhouse.make.locator import locator_of
from ascend_wheelhouse.make.project_folder import ProjectFolder
from ascend_wheelhouse.make.replacing import replaced
from ascend_wheelhouse.make.source_wheels import is_pure
from ascend_wheelhouse.pin.locate import ToBuild

if TYPE_CHECKING:
    from ascend_wheelhouse.pin.source_builds import SourceBuilds


class OtherNeedsError(UsageError):
    """A source that came after its lock was made asks for other packages than the lock holds."""


def come_by_now(lock: Lock, folder: ProjectFolder, building: Building) -> frozenset[str]:
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
        words = builds.cell.words
        why = "The lock was made with a wheel of it."
        again = f"invoke wheelhouse --upgrade --build {source.component} {words}"
        if source.component in {one.component for one in lock.pending}:
            why = "The lock was made without its source, from the list that the recipe has for this release."
            again = f"invoke lock --upgrade {words}"
        raise OtherNeedsError(
            f"The source of {source.component} {source.version} asks for {', '.join(lacking)}.",
            why=why,
            next_step=again,
        )


def with_sources(lock: Lock, names: frozenset[str], folder: ProjectFolder, building: Building) -> Lock:
    """Return a committed lock in which further components are built from source, and write it.

    A component whose source cannot be reached is pending in the lock that is returned, and has no other wheel there; it
    is as before in the one written. What another run wrote meanwhile stays: the components are added to that.

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
    if sources and (other := replaced(lock, new, folder, cell, fetcher.emit)):
        return with_sources(other, names - {one.component for one in other.sources}, folder, building)
    lacking = [one for one in found if isinstance(one, Pending)]
    left_out = {one.component for one in lacking}
    return replace(
        new,
        wheels=tuple(wheel for wheel in new.wheels if wheel.component not in left_out),
        pending=(*(one for one in new.pending if one.component not in left_out), *lacking),
    )
