"""Every cell of a matrix, several at a time: they fetch by turns, build what they have in common once, and end alone.

One cell fetches while another builds, lays out or audits: the line is one cell's at a time, so that what two have in
common comes once and what comes is whole sooner. Ctrl-C ends all of them; the next run goes on from what is kept.
"""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from ascend_wheelhouse.base import process, waiting
from ascend_wheelhouse.base.events import Emit, Event, Outcome, Stage
from ascend_wheelhouse.base.shared import sharing
from ascend_wheelhouse.matrix.make_cell import CellTools, make_cell
from ascend_wheelhouse.matrix.orders import CellEnd, CellOrder
from ascend_wheelhouse.matrix.voice import CellVoice
from ascend_wheelhouse.origins.shared_http import SharedHttp

_MOST_AT_ONCE = 8
_WAITING = 3
_SECONDS_TO_END = 5.0


def at_once(cells: int) -> int:
    """Return how many cells run at a time: more than there are cores.

    One waits for the line, others for what reads wheels, and what the next one lacks is fetched meanwhile. Compilers
    are no more for it, since the cells of a run share their slots.
    """
    return max(1, min(cells, len(os.sched_getaffinity(0)) + _WAITING, _MOST_AT_ONCE))


def run_cells(orders: Sequence[CellOrder], tools: CellTools, emit: Emit, *, lines: bool) -> list[CellEnd]:
    """Do what is asked for every cell, and return their ends in the order of the orders.

    Args:
        orders: The cells.
        tools: What they have in common; each gets a client of the origins of its own over shared connections.
        emit: Told of the progress, a job a cell.
        lines: Say each stage of each cell in a line, as in a pipe.

    Raises:
        KeyboardInterrupt: Passed on after the cells were stopped.
    """
    emit(Stage(name="cells", jobs=len(orders)))
    run = _CellRun(tools=tools, shared=SharedHttp(), turn=threading.Lock(), emit=emit, lines=lines)
    todo: queue.SimpleQueue[CellOrder | None] = queue.SimpleQueue()
    ended: queue.SimpleQueue[CellEnd | BaseException] = queue.SimpleQueue()
    workers = [
        threading.Thread(target=run.work, args=(todo, ended), daemon=True, name=f"cell-{number}")
        for number in range(at_once(len(orders)))
    ]
    for order in [*orders, *(None for _ in workers)]:
        todo.put(order)
    try:
        with sharing():
            for worker in workers:
                worker.start()
            ends = dict(_ended(ended) for _ in orders)
    except BaseException:
        process.stop_all()
        run.stop.set()
        run.shared.close()
        for worker in filter(threading.Thread.is_alive, workers):
            worker.join(_SECONDS_TO_END / len(workers))
        waiting.leave(workers)
        raise
    return [ends[order.number] for order in orders]


def _ended(ended: queue.SimpleQueue[CellEnd | BaseException]) -> tuple[int, CellEnd]:
    end = ended.get()
    if isinstance(end, BaseException):
        raise end
    return end.order.number, end


@dataclass(frozen=True, kw_only=True)
class _CellRun:
    tools: CellTools
    shared: SharedHttp
    turn: threading.Lock
    emit: Emit
    lines: bool
    stop: threading.Event = field(default_factory=threading.Event)

    def work(
        self,
        todo: queue.SimpleQueue[CellOrder | None],
        ended: queue.SimpleQueue[CellEnd | BaseException],
    ) -> None:
        """Do one cell after the other until there is none."""
        while (order := todo.get()) is not None and not self.stop.is_set():
            try:
                ended.put(self._one(order))
            except BaseException as error:  # noqa: BLE001 - raised in the thread that waits
                ended.put(error)

    def _heard(self, event: Event) -> None:
        """Pass an event on, until the run is stopped: a thread that ends after that is not heard."""
        if not self.stop.is_set():
            self.emit(event)

    def _one(self, order: CellOrder) -> CellEnd:
        voice = CellVoice(order.name, self._heard, lines=self.lines)
        line = replace(self.tools.line, http=self.shared.client(), turn=self.turn)
        end = make_cell(order, replace(self.tools, line=line), voice)
        voice.end(*_outcome(end))
        return end


def _outcome(end: CellEnd) -> tuple[Outcome, str]:
    if end.error:
        return "failed", str(end.error["what"])
    return ("done", "") if end.made else ("cached", "it stood there already")
