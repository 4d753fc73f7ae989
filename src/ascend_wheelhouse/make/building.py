"""How a cell's components are built from source in one run.

What locks and builds sources takes as long to import as all else that a run needs, so it is imported when it is asked
for: a run with a committed lock has its downloads on their way by then.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ascend_wheelhouse.base.packaged import recipes_of
from ascend_wheelhouse.cells.cell import Cell
from ascend_wheelhouse.make.fetcher import Fetcher
from ascend_wheelhouse.make.options import BuildPlace
from ascend_wheelhouse.make.project_folder import ProjectFolder
from ascend_wheelhouse.origins.mirrors import Mirrors
from ascend_wheelhouse.resolve.resolvers import ResolverName, resolver_named

if TYPE_CHECKING:
    from ascend_wheelhouse.build.command import Workshop
    from ascend_wheelhouse.farm.farm import Farm
    from ascend_wheelhouse.pin.source_builds import SourceBuilds


@dataclass(frozen=True, kw_only=True)
class Building:
    """Makes what locks and builds a cell's sources.

    Args:
        cell: The cell.
        folder: Every recipe, and the patches beside them.
        fetcher: Its store, its client of the origins, whether they may be asked, and who is told.
        options: Sandbox and image.
        farm: Other hosts that build in place of this one, if any.
    """

    cell: Cell
    folder: ProjectFolder
    fetcher: Fetcher
    options: BuildPlace = field(default_factory=BuildPlace)
    farm: Farm | None = None

    def source_builds(self, resolver: ResolverName = "uv") -> SourceBuilds:
        """Return what locks the components that are built from source."""
        from ascend_wheelhouse.pin.source_builds import SourceBuilds
        from ascend_wheelhouse.pin.source_locker import SourceLocker

        locker = SourceLocker(
            store=self.fetcher.store,
            emit=self.fetcher.emit,
            http=self.fetcher.http,
            mirrors=Mirrors.read(),
            resolver=resolver_named(resolver),
            patches=recipes_of(self.folder.root).below("patches"),
        )
        return SourceBuilds(cell=self.cell, locker=locker, offline=self.fetcher.offline)

    def workshop(self) -> Workshop:
        """Return where components are built."""
        from ascend_wheelhouse.build.command import Workshop
        from ascend_wheelhouse.make.own_toolchains import own_toolchains

        return Workshop(
            store=self.fetcher.store,
            emit=self.fetcher.emit,
            sandbox=self.options.sandbox,
            container=self.options.container,
            toolchain=self.options.toolchain,
            own=own_toolchains(self.folder.root, self.fetcher),
            elsewhere=self.farm,
        )


def building_of(
    cell: Cell,
    folder: ProjectFolder,
    fetcher: Fetcher,
    options: BuildPlace | None = None,
    farm: Farm | None = None,
) -> Building:
    """Return how a cell's components are built by the recipes and patches of a project folder."""
    return Building(
        cell=cell,
        folder=folder,
        fetcher=fetcher,
        options=options or BuildPlace(),
        farm=farm,
    )
