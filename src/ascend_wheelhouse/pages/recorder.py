"""Remembering when each piece of work of a run began and ended, from the events that the run tells anyway."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ascend_wheelhouse.base import timed
from ascend_wheelhouse.base.events import Emit, Event, JobFinished, JobStarted, Stage, Worked

KINDS = ("run", "resolve", "fetch", "read", "build", "lay out", "audit", "pack")
"""The kinds of work in the order in which a run begins them; `run` is the stages themselves."""
_ACTIONS = {
    "fetch": "fetch",
    "build": "build",
    "read": "audit",
    "reproduce": "build",
    "pack": "pack",
    "hash": "pack",
}


@dataclass(frozen=True, kw_only=True)
class TimedSpan:
    """One piece of work: seconds from the beginning of the run, and the lane of its kind that it took.

    Args:
        kind: One of `KINDS`.
        name: What was worked on.
        began: Seconds.
        ended: Seconds.
        outcome: How a job ended; empty for other work.
        lane: 0 and up; no two spans of one lane overlap.
    """

    kind: str
    name: str
    began: float
    ended: float
    outcome: str = ""
    lane: int = 0

    @property
    def took(self) -> float:
        """Seconds."""
        return self.ended - self.began


class Recorder:
    """An `Emit` that passes every event on and remembers what took time; any thread may call.

    Args:
        emit: Where events go on to.
        clock: Seconds on the clock of `timed`.
    """

    def __init__(self, emit: Emit, *, clock: Callable[[], float] = timed.now) -> None:
        self._emit = emit
        self._clock = clock
        self._start = clock()
        self._lock = threading.Lock()
        self._running: dict[str, tuple[str, float]] = {}
        self._stage: tuple[str, float] | None = None
        self._found: list[TimedSpan] = []

    def __call__(self, event: Event) -> None:
        """Take one event."""
        at = self._clock()
        with self._lock:
            self._note(event, at)
        self._emit(event)

    def _note(self, event: Event, at: float) -> None:
        match event:
            case Worked():
                self._add(event.kind, event.name, event.began, event.ended)
            case Stage():
                self._end_stage(at)
                self._stage = (event.name, at)
            case JobStarted():
                self._running[event.job] = (_kind(event.action), at)
            case JobFinished() if event.job in self._running:
                kind, began = self._running.pop(event.job)
                self._add(kind, event.job, began, at, event.outcome)
            case _:
                pass

    def _end_stage(self, at: float) -> None:
        if self._stage is not None:
            self._add("run", self._stage[0], self._stage[1], at)

    def _add(self, kind: str, name: str, began: float, ended: float, outcome: str = "") -> None:
        first, last = (max(at - self._start, 0) for at in (began, ended))
        span = TimedSpan(kind=kind, name=name, began=first, ended=last, outcome=outcome)
        self._found.append(span)

    def close(self) -> tuple[TimedSpan, ...]:
        """End what still runs, and return everything, each in its lane."""
        at = self._clock()
        with self._lock:
            self._end_stage(at)
            self._stage = None
            for job, (kind, began) in self._running.items():
                self._add(kind, job, began, at, "stopped")
            self._running.clear()
            return in_lanes(self._found)


def _kind(action: str) -> str:
    return _ACTIONS.get(action, "resolve")


def in_lanes(spans: Iterable[TimedSpan]) -> tuple[TimedSpan, ...]:
    """Return spans by kind and beginning, each in the first lane of its kind that is free by then."""
    placed = []
    free: dict[str, list[float]] = {}
    for span in sorted(spans, key=lambda one: (_rank(one.kind), one.began, one.ended, one.name)):
        lanes = free.setdefault(span.kind, [])
        lane = next((number for number, until in enumerate(lanes) if until <= span.began), len(lanes))
        lanes[lane:] = [span.ended, *lanes[lane + 1 :]]
        placed.append(
            TimedSpan(
                kind=span.kind,
                name=span.name,
                began=span.began,
                ended=span.ended,
                outcome=span.outcome,
                lane=lane,
            )
        )
    return tuple(placed)


def _rank(kind: str) -> int:
    return KINDS.index(kind) if kind in KINDS else len(KINDS)
