"""The begin of a run: the cell that is meant, what builds for it and what finds its files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ascend_wheelhouse.base.occupied import require_open
from ascend_wheelhouse.base.timed import timed
from ascend_wheelhouse.make.asked_cell import cell_of
from ascend_wheelhouse.make.building import Building, building_of
from ascend_wheelhouse.make.fetcher import Fetcher
from ascend_wheelhouse.make.locator import locator_of
from ascend_wheelhouse.make.options import MakeOptions
from ascend_wheelhouse.make.project_folder import ProjectFolder

if TYPE_CHECKING:
    from ascend_wheelhouse.farm.farm import Farm
    from ascend_wheelhouse.pin.locate import Locator


def begin(
    options: MakeOptions, folder: ProjectFolder, fetcher: Fetcher, farm: Farm | None
) -> tuple[Building, Locator]:
    """Return how the cell that is asked for is built, and what finds its files; see `cell_of` for what it raises.

    Raises:
        LockClosedError: The wheelhouse of that cell is another user's, closed to this one.
    """
    with timed(fetcher.emit, "resolve", "cell"):
        cell = cell_of(options.lock.request, folder, fetcher.http, offline=options.offline)
        require_open(options.output / cell.name)
        building = building_of(cell, folder, fetcher, options.build, farm)
        return building, locator_of(cell, folder, fetcher, build=options.lock.build, offline=options.offline)
