"""`invoke matrix`: every cell of a matrix made, audited and bundled in one run, and what stands of each."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ascend_wheelhouse import console
from ascend_wheelhouse.base.whole_file import write_whole
from ascend_wheelhouse.farm.choice import FarmChoice
from ascend_wheelhouse.make.farming import farm_of
from ascend_wheelhouse.make.line import Line
from ascend_wheelhouse.make.options import MakeOptions
from ascend_wheelhouse.matrix import page, plan, tell
from ascend_wheelhouse.matrix.cell_bundle import BundleOrder
from ascend_wheelhouse.matrix.cells import MatrixCell, RequestOf, matrix_cells
from ascend_wheelhouse.matrix.make_cell import CellOrder, CellTools, standing
from ascend_wheelhouse.matrix.run import run_cells
from ascend_wheelhouse.matrix.standing import Standing, standing_of
from ascend_wheelhouse.shared_cache.backed_store import store_with
from ascend_wheelhouse.shared_cache.choice import CacheChoice

FILE = "matrix.toml"


@dataclass(frozen=True, kw_only=True)
class MatrixOptions:
    """What `invoke matrix` was asked for.

    Args:
        root: The project folder.
        request_of: Makes the request that options of a cell mean.
        make: How each wheelhouse is made; its request is that of each cell.
        page: The HTML page to write.
        reports: Folder with the reports of verifications.
        file: The matrix; `matrix.toml` of the project folder when neither it nor axes are given.
        axes: The values of each axis.
        cache: Shared caches.
        bundle: How each cell is packed; None where it is not.
        strict: A pending component is an error.
        retry: Ask again for what is pending.
        dry_run: Show the cells and what each would do.
        json: Print one JSON document.
    """

    root: Path
    request_of: RequestOf
    make: MakeOptions
    page: Path
    reports: Path
    file: Path | None = None
    axes: Mapping[str, list[str]] = field(default_factory=dict)
    cache: CacheChoice = field(default_factory=CacheChoice)
    bundle: BundleOrder | None = None
    strict: bool = False
    retry: bool = False
    dry_run: bool = False
    json: bool = False


def main(options: MatrixOptions) -> int:
    """Make every cell of a matrix, tell what stands, and return the exit code of the whole."""
    tools = CellTools.of(options.root)
    file = options.file or (None if options.axes else options.root / FILE)
    cells = matrix_cells(tools.folder, options.request_of, file=file, axes=options.axes)
    orders = [_order(options, number, one) for number, one in enumerate(cells, 1)]
    if options.dry_run:
        _show_plan(cells, orders, tools, options)
        return 0
    due = not all(standing(order, tools) for order in orders)
    with (
        console.reporter("auto", stream=sys.stderr) as emit,
        store_with(options.cache if due else CacheChoice(), emit, offline=options.make.offline) as store,
        farm_of(options.make.farm if due else FarmChoice(), store, emit) as farm,
    ):
        own = replace(tools, store=store, line=Line(farm=farm))
        ends = run_cells(orders, own, emit, lines=not console.has_board(sys.stderr))
    found = standing_of(ends, options.reports, strict=options.strict)
    _tell(found, options)
    sys.stdout.flush()
    return found.exit_code


def _order(options: MatrixOptions, number: int, cell: MatrixCell) -> CellOrder:
    return CellOrder(
        number=number,
        name=cell.name,
        words=cell.words,
        root=options.root,
        make=replace(options.make, lock=replace(options.make.lock, request=cell.request)),
        retry=options.retry,
        bundle=options.bundle,
    )


def _show_plan(
    cells: Sequence[MatrixCell], orders: Sequence[CellOrder], tools: CellTools, options: MatrixOptions
) -> None:
    rows = plan.plans_of(cells, orders, tools)
    if options.json:
        console.print_json({"cells": [row.as_dict() for row in rows]})
    else:
        plan.show(rows)


def _tell(found: Standing, options: MatrixOptions) -> None:
    options.page.parent.mkdir(parents=True, exist_ok=True)
    write_whole(options.page, page.render(found))
    if options.json:
        console.print_json({**tell.document(found), "page": str(options.page)})
        return
    tell.show(found)
    console.line(f"\n{options.page}: the same as a page")
