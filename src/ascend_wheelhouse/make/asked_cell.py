"""The cell that a request means in a project folder."""

from __future__ import annotations

from ascend_wheelhouse.base.errors import ResolveError
from ascend_wheelhouse.cells.cell import Cell
from ascend_wheelhouse.cells.derive import cell_for
from ascend_wheelhouse.cells.request import Request
from ascend_wheelhouse.make.project_folder import ProjectFolder
from ascend_wheelhouse.origins.http import Http
from ascend_wheelhouse.origins.index import Finder


def cell_of(request: Request, folder: ProjectFolder, http: Http | None = None) -> Cell:
    """Return the cell of a request; see `derive.cell_for` for what it raises.

    Args:
        request: What was asked.
        folder: Its stacks come first.
        http: Asked for versions when no stack fits; one of its own when None.
    """

    def versions(name: str) -> list[str]:
        try:
            return Finder(http or Http()).versions(name, request.target)
        except ResolveError:
            return []

    return cell_for(request, folder.catalogue, folder.table, versions)
