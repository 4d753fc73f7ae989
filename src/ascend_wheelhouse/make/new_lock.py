"""A new lock, made and written to `lockfiles/`; the sources that it names are built at once, to prove them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ascend_wheelhouse.base.events import silent
from ascend_wheelhouse.base.packaged import recipes_of
from ascend_wheelhouse.locks.lock import Lock, save
from ascend_wheelhouse.make.building import Building
from ascend_wheelhouse.make.freshness import recipes_digest
from ascend_wheelhouse.make.locator import locator_of
from ascend_wheelhouse.make.options import LockChoice
from ascend_wheelhouse.make.project_folder import ProjectFolder
from ascend_wheelhouse.make.source_files import downloads_for
from ascend_wheelhouse.make.source_wheels import build_sources, lockable, with_built
from ascend_wheelhouse.resolve.resolvers import resolver_named

if TYPE_CHECKING:
    from ascend_wheelhouse.pin.locking import Locking


def locking_of(options: LockChoice, folder: ProjectFolder, building: Building) -> Locking:
    """Return what makes a new lock of the cell that is built."""
    from ascend_wheelhouse.pin.locking import Locking

    cell, fetcher = building.cell, building.fetcher
    if options.exclude_newer:
        cell = replace(cell, exclude_newer=options.exclude_newer.isoformat())
    return Locking(
        cell=cell,
        recipes=folder.recipes,
        recipes_digest=recipes_digest(recipes_of(folder.root)),
        locator=locator_of(cell, folder, fetcher, build=options.build),
        resolver=resolver_named(options.resolver),
        http=fetcher.http,
        store=fetcher.store,
        emit=fetcher.emit,
        builds=building.source_builds(options.resolver),
        kept=options.kept,
    )


def new_lock(options: LockChoice, folder: ProjectFolder, building: Building) -> Lock:
    """Return a new lock with the wheels that it builds, and write it to `lockfiles/`.

    Raises:
        OutputFolderError: It cannot be written there.
    """
    cell, fetcher = building.cell, building.fetcher
    folder.require_lock_folder(cell)
    new = locking_of(options, folder, building).lock()
    fetcher.fetch(downloads_for(fetcher.store, new), silent)
    built = with_built(new, build_sources(building, new))
    proven = folder.proven_before(built, cell)
    built = replace(built, sources=tuple(proven.get(one.component, one) for one in built.sources))
    sources = tuple(proven.get(one.component, one) for one in lockable(built, folder.recipes))
    save(replace(built, sources=sources, pending=new.pending), cell.target, folder.lock_folder(cell))
    return built
