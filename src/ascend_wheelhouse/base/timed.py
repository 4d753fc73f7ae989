"""Telling how long a piece of work took that is no job of its own: for pictures of a run's times."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ascend_wheelhouse.base.clock import SystemClock
from ascend_wheelhouse.base.events import Emit, Worked

now = SystemClock().monotonic
"""Seconds on the clock that spans are told by; the same clock in every process of a host."""


@contextmanager
def timed(emit: Emit, kind: str, name: str) -> Iterator[None]:
    """Tell of the work within this block, however it ends.

    Args:
        emit: Told of it.
        kind: What work it is: resolve, fetch, read, build, lay out or audit.
        name: What was worked on.
    """
    began = now()
    try:
        yield
    finally:
        emit(Worked(kind=kind, name=name, began=began, ended=now()))
