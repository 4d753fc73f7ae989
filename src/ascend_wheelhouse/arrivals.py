"""Waiting for some of the files that are being fetched, while the others are still on their way."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from ascend_wheelhouse.events import Emit, Event, JobFinished

_HERE = {"done", "cached"}


class Arrivals:
    """Passes events on, and knows from them which of the awaited files are in the store."""

    def __init__(self, filenames: Iterable[str], emit: Emit) -> None:
        self._awaited = set(filenames)
        self._emit = emit
        self._settled = threading.Event()
        if not self._awaited:
            self._settled.set()

    def __call__(self, event: Event) -> None:
        """Take an event of `fetch_all`."""
        self._emit(event)
        if isinstance(event, JobFinished) and event.outcome in _HERE:
            self._awaited.discard(event.job)
            if not self._awaited:
                self._settled.set()

    def give_up(self) -> None:
        """Let those who wait go: no more files come."""
        self._settled.set()

    def wait(self) -> bool:
        """Wait until all are here, or nobody brings them any more; return which."""
        self._settled.wait()
        return not self._awaited
