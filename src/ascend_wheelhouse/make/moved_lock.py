"""A committed lock in which a few wheels move: the rest of it stays, and it takes the place of the old one."""

from __future__ import annotations

from dataclasses import replace

from ascend_wheelhouse.base.errors import UsageError
from ascend_wheelhouse.cells.cutoff import cutoff
from ascend_wheelhouse.locks.lock import Lock
from ascend_wheelhouse.make.building import Building
from ascend_wheelhouse.make.fetcher import downloads_of
from ascend_wheelhouse.make.locator import locator_of
from ascend_wheelhouse.make.options import LockChoice
from ascend_wheelhouse.make.project_folder import ProjectFolder
from ascend_wheelhouse.make.replacing import replaced
from ascend_wheelhouse.make.supply import bring
from ascend_wheelhouse.resolve.resolvers import resolver_named


class NoLockToKeepError(UsageError):
    """Wheels were to move alone, and there is no lock in which the others could stay."""


def moved_lock(options: LockChoice, folder: ProjectFolder, building: Building, committed: Lock) -> Lock:
    """Return a committed lock with the wheels moved that the options name, and write it to `lockfiles/`.

    Raises:
        NotMovedAloneError: One of them is no wheel of the lock, or is a component.
    """
    from ascend_wheelhouse.pin.moving import Moving, apart

    cell, fetcher = building.cell, building.fetcher
    unlisted = replace(committed, wheels=tuple(apart(committed)), payloads=())
    bring(unlisted, downloads_of(unlisted), locator_of(cell, folder, fetcher), fetcher, fetcher.emit)
    moving = Moving(
        lock=committed,
        target=cell.target,
        resolver=resolver_named(options.resolver),
        http=fetcher.http,
        store=fetcher.store,
        until=options.exclude_newer or cutoff(cell.exclude_newer),
        emit=fetcher.emit,
    )
    new = moving.moved(sorted(options.packages))
    if new.wheels == committed.wheels:
        return committed
    if other := replaced(committed, new, folder, cell, fetcher.emit):
        return moved_lock(options, folder, building, other)
    return new
