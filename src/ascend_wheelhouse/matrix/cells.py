"""The cells of a matrix: each combination as the request that it means, held to what stacks allow, none twice."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ascend_wheelhouse.base.cell_words import own_words
from ascend_wheelhouse.base.errors import WheelhouseError
from ascend_wheelhouse.cells.cell import Cell
from ascend_wheelhouse.cells.derive import cell_for
from ascend_wheelhouse.cells.request import Request
from ascend_wheelhouse.make.project_folder import ProjectFolder
from ascend_wheelhouse.matrix.faults import MatrixFault, raise_for
from ascend_wheelhouse.matrix.product import Combination, combinations
from ascend_wheelhouse.matrix.spec import Spec, options_spec, read_spec

RequestOf = Callable[[Mapping[str, str]], Request]
"""Makes the request that options mean, with the defaults of the command line."""


CellOf = Callable[[Request], Cell]
"""Says what a request means, and may ask an index for it."""


class _AsksOriginsError(Exception):
    """No stack lists the cell: an index must be asked for versions, which is not done before the run."""


@dataclass(frozen=True, kw_only=True)
class MatrixCell:
    """One cell of a matrix.

    Args:
        request: What it means on the command line.
        cell: What that is; None where an index must be asked first.
        values: What the matrix says of it, by the axis.
    """

    request: Request
    cell: Cell | None
    values: Mapping[str, str]

    @property
    def name(self) -> str:
        """The name of its wheelhouse, or its options where that is not known before the run."""
        return self.cell.name if self.cell else self.words

    @property
    def words(self) -> str:
        """The options that name it."""
        return own_words(self.request.asked)


_Placed = tuple[MatrixCell, Combination]


def matrix_cells(
    folder: ProjectFolder,
    request_of: RequestOf,
    *,
    file: Path | None,
    axes: Mapping[str, list[str]],
    cell_of: CellOf | None = None,
) -> list[MatrixCell]:
    """Return the cells of a matrix in its own order.

    Args:
        folder: Recipes and stacks.
        request_of: Makes a request of options.
        file: The matrix; None for `axes`.
        axes: The values of each axis.
        cell_of: Asked what cells are that no stack lists, where two of them may be one; None where nobody is asked.

    Raises:
        InvalidMatrixError: Anything is wrong; the report lists everything.
        MatrixUnreadableError: There is no such file.
    """
    spec = read_spec(file, folder.catalogue) if file else options_spec(axes, folder.catalogue)
    found, faults = combinations(spec)
    cells, more = _cells(found, spec, folder, request_of)
    wrong = [*spec.faults, *faults, *more]
    raise_for(wrong or _derived_twice(cells, cell_of), spec.source, spec.data)
    return [one for one, _ in cells]


def _cells(
    found: list[Combination], spec: Spec, folder: ProjectFolder, request_of: RequestOf
) -> tuple[list[_Placed], list[MatrixFault]]:
    cells: list[_Placed] = []
    faults: list[MatrixFault] = []
    first: dict[object, Combination] = {}
    for one in found:
        if spec.unsound & one.values.items():
            continue
        try:
            made = _cell(one.values, request_of(one.values), folder)
        except WheelhouseError as error:
            faults.append(MatrixFault(one.path, f"{one.words}: {error.what} {_leave_out(one)}"))
            continue
        key = made.cell.name if made.cell else made.request
        if (other := first.setdefault(key, one)) is not one:
            text = f"{one.words} is the same wheelhouse as {other.words}"
            faults.append(MatrixFault(one.path, text, "twice"))
        cells.append((made, one))
    return cells, faults


def _derived_twice(cells: list[_Placed], cell_of: CellOf | None) -> list[MatrixFault]:
    """Return cells that no stack lists and that are another one: by an index, a left out CANN or SGLang is that one's.

    What the index does not tell is left to the cell's own run, which says why.
    """
    alike: defaultdict[object, list[_Placed]] = defaultdict(list)
    for made, one in cells if cell_of else ():
        if made.cell is None:
            asked = made.request
            alike[asked.torch, asked.target, asked.application, asked.extras].append((made, one))
    faults: list[MatrixFault] = []
    for placed in (several for several in alike.values() if len(several) > 1):
        first: dict[str, Combination] = {}
        for made, one in placed:
            try:
                name = cell_of(made.request).name if cell_of else ""
            except WheelhouseError:
                continue
            if (other := first.setdefault(name, one)) is not one:
                text = f"{one.words} is the same wheelhouse as {other.words}: {name}"
                faults.append(MatrixFault(one.path, text, "twice"))
    return faults


def _leave_out(one: Combination) -> str:
    return "Leave it out with an [[exclude]]." if one.path == ("axes",) else ""


def _cell(values: Mapping[str, str], request: Request, folder: ProjectFolder) -> MatrixCell:
    def versions(_name: str) -> list[str]:
        raise _AsksOriginsError

    try:
        cell: Cell | None = cell_for(request, folder.catalogue, folder.table, versions)
    except _AsksOriginsError:
        cell = None
    return MatrixCell(request=request, cell=cell, values=values)
