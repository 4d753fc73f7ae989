"""What asks the origins of a cell's components: those of its recipes, after the imported files."""

from __future__ import annotations

from ascend_wheelhouse.cells.cell import Cell
from ascend_wheelhouse.make.fetcher import Fetcher
from ascend_wheelhouse.make.project_folder import ProjectFolder
from ascend_wheelhouse.pin.locate import Locator
from ascend_wheelhouse.pin.supply import handed_over, imported, imported_otherwise, released


def locator_of(
    cell: Cell,
    folder: ProjectFolder,
    fetcher: Fetcher,
    *,
    build: frozenset[str] = frozenset(),
    offline: bool = False,
) -> Locator:
    """Return the locator of a cell.

    Args:
        cell: The cell.
        folder: Its recipes and its compatibility table.
        fetcher: Its store and its client of the origins.
        build: Components to build from source although another origin has them.
        offline: Look at imported files alone.
    """
    return Locator(
        cell=cell,
        recipes=folder.recipes,
        table=folder.table,
        http=fetcher.http,
        vendored=imported(fetcher.store),
        handed_over=handed_over(fetcher.store),
        elsewhere=imported_otherwise(fetcher.store),
        release=released(fetcher.store, fetcher.http, fetcher.emit),
        build=build,
        offline=offline,
        emit=fetcher.emit,
    )
