"""How a cell is heard while others run: one job of the matrix, and in a pipe a line a stage."""

from __future__ import annotations

import threading

from ascend_wheelhouse.base.clock import SystemClock
from ascend_wheelhouse.base.events import (
    Emit,
    Event,
    JobFinished,
    JobProgress,
    JobStarted,
    Note,
    Outcome,
    Stage,
)
from ascend_wheelhouse.console.tally import Tally

_NOW = SystemClock().monotonic
_EVERY = 0.25


class CellVoice:
    """An `Emit` for one cell: what it says becomes one job of the matrix.

    Args:
        name: The job.
        emit: Told of the matrix.
        lines: Say each stage that is over in a line of its own, as in a pipe.
    """

    def __init__(self, name: str, emit: Emit, *, lines: bool) -> None:
        self._name = name
        self._emit = emit
        self._lines = lines
        self._guard = threading.Lock()
        self._tally = Tally(_NOW())
        self._told = 0.0
        self._emit(JobStarted(job=name, action="make"))

    def __call__(self, event: Event) -> None:
        """Take one event of the cell; any thread may call."""
        now = _NOW()
        with self._guard:
            over = self._tally.summary(now, "|") if isinstance(event, Stage) else ""
            self._tally.apply(event, now)
            line = self._line(now, at_once=isinstance(event, Stage))
        if over:
            self._say(over)
        if line:
            self._emit(JobProgress(job=self._name, line=line))
        if isinstance(event, Note) and event.level == "warning":
            self._emit(Note(text=f"{self._name}: {event.text}", level="warning"))
        if isinstance(event, JobFinished) and event.outcome == "failed":
            told = f": {event.detail}" if event.detail else ""
            self._emit(Note(text=f"{self._name}: {event.job} failed{told}", level="warning"))

    def end(self, outcome: Outcome, detail: str = "") -> None:
        """Say that the cell is over."""
        with self._guard:
            over = self._tally.summary(_NOW(), "|")
        if over:
            self._say(over)
        if self._lines and outcome not in {"failed", "pending"}:
            self._say(f"{outcome}{f', {detail}' if detail else ''}")
        self._emit(JobFinished(job=self._name, outcome=outcome, detail=detail))

    def _say(self, text: str) -> None:
        if self._lines:
            self._emit(Note(text=f"{self._name}: {text}"))

    def _line(self, now: float, *, at_once: bool) -> str:
        if now - self._told < _EVERY and not at_once:
            return ""
        self._told = now
        parts = [self._tally.stage.name, *self._tally.counts(), *self._tally.flow(now)]
        return "  ".join(filter(None, parts))
