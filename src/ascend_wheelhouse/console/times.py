"""How long each job of a run took, for the closing table."""

from __future__ import annotations

from collections.abc import Callable

from ascend_wheelhouse.base.clock import SystemClock
from ascend_wheelhouse.base.events import Emit, Event, JobFinished, JobStarted
from ascend_wheelhouse.console import words

_NOW = SystemClock().monotonic


class Times:
    """An `Emit` that passes every event on and remembers when jobs began and ended.

    Args:
        emit: Where events go on to.
        clock: Seconds since any fixed start.
    """

    def __init__(self, emit: Emit, *, clock: Callable[[], float] = _NOW) -> None:
        self._emit = emit
        self._clock = clock
        self._began: dict[str, float] = {}
        self._took: dict[str, float] = {}

    def __call__(self, event: Event) -> None:
        """Take one event; any thread may call."""
        if isinstance(event, JobStarted):
            self._began[event.job] = self._clock()
        elif isinstance(event, JobFinished) and event.job in self._began:
            self._took[event.job] = self._clock() - self._began[event.job]
        self._emit(event)

    def of(self, *jobs: str) -> str:
        """Return the time of the first of these jobs that ran, such as `12 s`; empty when none did."""
        return next((words.seconds(self._took[job]) for job in jobs if job in self._took), "")
