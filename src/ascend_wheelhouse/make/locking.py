"""What makes a new lock of a cell: its recipes, its origins, its resolver and where its sources are built."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ascend_wheelhouse.base.packaged import recipes_of
from ascend_wheelhouse.make.building import Building
from ascend_wheelhouse.make.freshness import recipes_digest
from ascend_wheelhouse.make.locator import locator_of
from ascend_wheelhouse.make.options import LockChoice
from ascend_wheelhouse.make.project_folder import ProjectFolder
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
