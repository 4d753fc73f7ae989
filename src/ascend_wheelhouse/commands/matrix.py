"""`invoke matrix`: every cell of a matrix made, audited and bundled in one run, and what stands of each."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ascend_wheelhouse import console
from ascend_wheelhouse.base.cell_words import own_words
from ascend_wheelhouse.base.errors import UsageError, WheelhouseError, file_trouble
from ascend_wheelhouse.base.output_file import require_out, trouble, write_result
from ascend_wheelhouse.farm.choice import FarmChoice
from ascend_wheelhouse.make import freshness
from ascend_wheelhouse.make.options import MakeOptions
from ascend_wheelhouse.matrix import kept, page, tell
from ascend_wheelhouse.matrix.cell_bundle import BundleOrder, require_packable
from ascend_wheelhouse.matrix.orders import CellEnd, CellOrder, finished_end
from ascend_wheelhouse.matrix.standing import Standing, standing_of
from ascend_wheelhouse.shared_cache.choice import CacheChoice
from ascend_wheelhouse.shared_cache.soundness import require_sound
from ascend_wheelhouse.store.root import default_root

if TYPE_CHECKING:
    from ascend_wheelhouse.cells.cell import Cell
    from ascend_wheelhouse.cells.request import Request
    from ascend_wheelhouse.matrix.cells import MatrixCell, RequestOf
    from ascend_wheelhouse.matrix.make_cell import CellTools

FILE = "matrix.toml"


class PageUnwritableError(UsageError):
    """The page of a matrix cannot be written where `--page` says."""


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
        verify: Verify each complete cell.
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
    verify: bool = False
    strict: bool = False
    retry: bool = False
    dry_run: bool = False
    json: bool = False


def main(options: MatrixOptions) -> int:
    """Make every cell of a matrix, tell what stands, and return the exit code of the whole."""
    require_sound(options.cache)
    if not options.dry_run:
        _require_page(options)
    file = options.file or (None if options.axes else options.root / FILE)
    given = freshness.given_digest(options.root, default_root())
    state, inputs = kept.state_file(options.make.output, file, options.axes), kept.inputs_of(given, file)
    ends = None if options.dry_run else _finished(options, kept.kept(state, inputs), given)
    if ends is None:
        from ascend_wheelhouse.matrix.cells import matrix_cells
        from ascend_wheelhouse.matrix.make_cell import CellTools

        tools = CellTools.of(options.root)
        resolve = None if options.dry_run else partial(_cell_of, tools, options)
        cells = matrix_cells(tools.folder, options.request_of, file=file, axes=options.axes, cell_of=resolve)
        orders = [_order(options, number, one.name, one.request) for number, one in enumerate(cells, 1)]
        if options.dry_run:
            _show_plan(cells, orders, tools, options)
            return 0
        ends = _run(orders, tools, options)
        with suppress(OSError):  # the next run reads recipes, no more; what stands is told all the same
            kept.keep(state, inputs, [kept.KeptCell(name=one.name, values=one.values) for one in cells])
    found = standing_of(ends, options.reports, strict=options.strict)
    code = _tell(found, options)
    sys.stdout.flush()
    return code


def _cell_of(tools: CellTools, options: MatrixOptions, request: Request) -> Cell:
    from ascend_wheelhouse.make.asked_cell import cell_of

    return cell_of(request, tools.folder, tools.line.http, offline=options.make.offline)


def _finished(options: MatrixOptions, cells: list[kept.KeptCell] | None, given: str) -> list[CellEnd] | None:
    """Return how the cells end where nothing is left to do for any of them; no recipe is read for that."""
    if cells is None:
        return None
    ends = []
    for number, one in enumerate(cells, 1):
        order = _order(options, number, one.name, options.request_of(one.values))
        end = finished_end(order, default_root(), given)
        if end is None:
            return None
        ends.append(end)
    return ends


def _run(orders: Sequence[CellOrder], tools: CellTools, options: MatrixOptions) -> list[CellEnd]:
    from ascend_wheelhouse.make.farming import farm_of
    from ascend_wheelhouse.make.line import Line
    from ascend_wheelhouse.matrix.make_cell import standing
    from ascend_wheelhouse.matrix.run import run_cells
    from ascend_wheelhouse.shared_cache.backed_store import store_with

    whole = all(standing(order, tools) for order in orders)
    if options.bundle is not None and not whole:
        require_packable(options.bundle, options.make.output)
    due = options.verify or not whole
    with (
        console.reporter("auto", stream=sys.stderr) as emit,
        store_with(options.cache if due else CacheChoice(), emit, offline=options.make.offline) as store,
        farm_of(options.make.farm if due else FarmChoice(), store, emit) as farm,
    ):
        if options.verify:
            from ascend_wheelhouse.matrix.verify_cell import tell_unfit

            tell_unfit(orders, farm, emit)
        own = replace(tools, store=store, line=Line(farm=farm))
        ends = run_cells(orders, own, emit, lines=not console.has_board(sys.stderr))
    if store.behind is not None and store.behind.took_all:
        for end in (one for one in ends if one.folder is not None):
            with suppress(OSError):  # it is pushed again then
                freshness.remember_pushed(end.order.state, end.order.pushed_to)
    return ends


def _order(options: MatrixOptions, number: int, name: str, request: Request) -> CellOrder:
    return CellOrder(
        number=number,
        name=name,
        words=own_words(request.asked),
        root=options.root,
        make=replace(options.make, lock=replace(options.make.lock, request=request)),
        retry=options.retry,
        bundle=options.bundle,
        verify=options.reports if options.verify else None,
        pushed_to=() if options.make.offline else options.cache.pushed_to,
    )


def _show_plan(
    cells: Sequence[MatrixCell], orders: Sequence[CellOrder], tools: CellTools, options: MatrixOptions
) -> None:
    from ascend_wheelhouse.matrix import plan

    rows = plan.plans_of(cells, orders, tools)
    if options.json:
        console.print_json({"cells": [row.as_dict() for row in rows]})
    else:
        plan.show(rows)


def _require_page(options: MatrixOptions) -> None:
    """Hold the places of the page and the bundles to those that can be written, before the work."""
    beside = options.page.parent == options.make.output
    if beside:
        require_out(options.make.output, "The wheelhouses and their page are put", "--output")
    if options.bundle is not None:
        require_out(options.bundle.out, "The bundles are put", "--bundles")
    error = trouble(options.page)
    if error is None:
        return
    raise PageUnwritableError(
        f"The page {options.page} cannot be written: {error.strerror or error}.",
        why="It goes beside the wheelhouses."
        if beside
        else "--page names a file in a folder that you may write to.",
        next_step="the same command with "
        + (
            "--output and a folder that you may write to"
            if beside
            else "another place, such as --page matrix.html"
        ),
    )


def _tell(found: Standing, options: MatrixOptions) -> int:
    """Write the page, print what stands all the same where that fails, and return the exit code."""
    failed: WheelhouseError | None = None
    try:
        write_result(options.page, page.render(found))
    except WheelhouseError as error:
        failed = error
    except OSError as error:
        failed = file_trouble(error)
    if options.json:
        console.print_json({**tell.document(found), "page": "" if failed else str(options.page)})
    else:
        tell.show(found)
    sys.stdout.flush()
    if failed:
        console.print_error(failed)
        return found.exit_code or failed.exit_code
    if not options.json:
        console.line(f"\n{options.page}: the same as a page")
    return found.exit_code
