"""The begin of a run: the cell that is meant, and what builds for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ascend_wheelhouse.base.timed import timed
from ascend_wheelhouse.make.asked_cell import cell_of
from ascend_wheelhouse.make.building import Building, building_of
from ascend_wheelhouse.make.fetcher import Fetcher
from ascend_wheelhouse.make.options import MakeOptions
from ascend_wheelhouse.make.project_folder import ProjectFolder

if TYPE_CHECKING:
    from ascend_wheelhouse.farm.farm import Farm


def begin(options: MakeOptions, folder: ProjectFolder, fetcher: Fetcher, farm: Farm | None) -> Building:
    """Return how the cell that is asked for is built; see `cell_of` for what it raises."""
    with timed(fetcher.emit, "resolve", "cell"):
        cell = cell_of(options.lock.request, folder, fetcher.http)
        return building_of(cell, folder, fetcher, options.build, farm)
