"""A new lock, made and written to `lockfiles/`; the sources that it names are built at once, to prove them."""

from __future__ import annotations

from dataclasses import replace

from ascend_wheelhouse.base.events import silent
from ascend_wheelhouse.locks.lock import Lock, save
from ascend_wheelhouse.make.building import Building
from ascend_wheelhouse.make.locking import locking_of
from ascend_wheelhouse.make.lost_components import hold_complete
from ascend_wheelhouse.make.options import LockChoice
from ascend_wheelhouse.make.project_folder import ProjectFolder
from ascend_wheelhouse.make.source_files import downloads_for
from ascend_wheelhouse.make.source_wheels import build_sources, lockable, with_built


def new_lock(options: LockChoice, folder: ProjectFolder, building: Building) -> Lock:
    """Return a new lock with the wheels that it builds, and write it to `lockfiles/`.

    Raises:
        OutputFolderError: It cannot be written there.
        ComponentLostError: It would lack what the committed one has of the same release.
    """
    cell, fetcher = building.cell, building.fetcher
    folder.require_lock_folder(cell)
    new = locking_of(options, folder, building).lock()
    hold_complete(new, options.build, folder, cell)
    fetcher.fetch(downloads_for(fetcher.store, new), silent)
    built = with_built(new, build_sources(building, new))
    proven = folder.proven_before(built, cell)
    built = replace(built, sources=tuple(proven.get(one.component, one) for one in built.sources))
    sources = tuple(proven.get(one.component, one) for one in lockable(built, folder.recipes))
    save(replace(built, sources=sources, pending=new.pending), cell.target, folder.lock_folder(cell))
    return built
