"""The cell that a request means in a project folder."""

from __future__ import annotations

from ascend_wheelhouse.base.errors import ResolveError, SourceUnreachableError
from ascend_wheelhouse.base.packaged import lockfiles_of
from ascend_wheelhouse.cells.cell import Cell
from ascend_wheelhouse.cells.derive import cell_for
from ascend_wheelhouse.cells.request import Request
from ascend_wheelhouse.make.locked_versions import locked_versions, unknown_offline
from ascend_wheelhouse.make.project_folder import ProjectFolder
from ascend_wheelhouse.origins.http import Http
from ascend_wheelhouse.origins.index import Finder


def cell_of(
    request: Request, folder: ProjectFolder, http: Http | None = None, *, offline: bool = False
) -> Cell:
    """Return the cell of a request; see `derive.cell_for` for what it raises.

    Args:
        request: What was asked.
        folder: Its stacks come first. Where no index answers, a cell that none of them has is that of its locks.
        http: Asked for versions when no stack fits; one of its own when None.
        offline: Ask no index.

    Raises:
        VersionsOfflineError: No stack and no lock has it, and no index may be asked.
        SourceUnreachableError: Likewise, and the index does not answer.
    """

    def versions(name: str) -> list[str]:
        try:
            if not offline:
                return Finder(http or Http()).versions(name, request.target)
        except ResolveError:
            return []
        except SourceUnreachableError:
            if known := locked_versions(lockfiles_of(folder.root), name, request):
                return known
            raise
        known = locked_versions(lockfiles_of(folder.root), name, request)
        if name == "torch" and not known:
            raise unknown_offline(request)
        return known

    return cell_for(request, folder.catalogue, folder.table, versions)
