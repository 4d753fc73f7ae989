"""Working with the first of the files that are being fetched, while the others are still on their way."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from typing import Self

from ascend_wheelhouse.base.events import Emit, Event, JobFinished

_HERE = {"done", "cached"}


class Arrivals:
    """Passes events on, and knows from them which files are in the store; fetch within its `with` block."""

    def __init__(self, awaited: Iterable[str], emit: Emit) -> None:
        self._awaited = set(awaited)
        self._emit = emit
        self._begun = threading.Event()
        self._settled = threading.Event()
        self._failed = False
        self._names: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        if not self._awaited:
            self._settled.set()

    def __call__(self, event: Event) -> None:
        """Take an event of `fetch_all`."""
        self._emit(event)
        if isinstance(event, JobFinished) and event.outcome in _HERE:
            self._begun.set()
            self._names.put(event.job)
            self._awaited.discard(event.job)
            if not self._awaited:
                self._settled.set()

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Let those who wait go: no more files come."""
        self._failed = kind is not None
        self._names.put(None)
        self._settled.set()
        self._begun.set()

    def wait_for_first(self) -> bool:
        """Wait until a file is here, or fetching ended, and return whether it has not failed by then.

        What need not hurry would only hold up the first requests.
        """
        self._begun.wait()
        return not self._failed

    def wait(self) -> bool:
        """Wait until all awaited files are here, or nobody brings them any more; return which."""
        self._settled.wait()
        return not self._awaited

    def names(self) -> Iterator[str]:
        """Yield the name of each file as it comes, until the end; for one consumer."""
        while (name := self._names.get()) is not None:
            yield name
