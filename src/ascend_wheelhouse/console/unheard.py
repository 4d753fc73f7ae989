"""Signals that the main thread did not hear come again.

Python only notes a signal when it comes, and has the main thread look when it next runs Python. One that comes between
its last look and its wait for a lock, a command or a socket is not looked at before that wait is over, perhaps never.
Where many threads want to run Python that is not rare: on its way into a wait the thread first waits to hand over. A
wait that a signal interrupts is looked up from, so the same signal is sent once more, until it was heard.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress

Again = Callable[[int], None]
_SECONDS = 0.05


@contextmanager
def coming_again(numbers: Collection[int], is_heard: Callable[[], bool]) -> Iterator[Again]:
    """Have signals that come in the block come again until they are heard; of the main thread.

    Args:
        numbers: The signals, for which Python has handlers.
        is_heard: Tells whether there is nothing left to hear.

    Yields:
        What has a signal come again that was heard in vain.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    listener = _Repeater(numbers, is_heard, threading.get_ident())
    threading.Thread(target=listener.listen, args=(reading,), daemon=True, name="unheard-signals").start()
    before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    try:
        yield lambda number: _write(writing, number)
    finally:
        signal.set_wakeup_fd(before)
        listener.end()
        os.close(writing)


def _write(writing: int, number: int) -> None:
    with suppress(BlockingIOError):  # so many lie there that one of them is heard
        os.write(writing, bytes([number]))


class _Repeater:
    """Sends signals once more that were noted and are not heard.

    Args:
        numbers: Which; others may be noted too.
        is_heard: Tells whether there is nothing left to hear.
        main: The thread that is to hear them.
    """

    def __init__(self, numbers: Collection[int], is_heard: Callable[[], bool], main: int) -> None:
        self._numbers = numbers
        self._is_heard = is_heard
        self._main = main
        self._lock = threading.Lock()
        self._ended = False

    def listen(self, reading: int) -> None:
        """Take the number of each signal that is noted, this one's own among them."""
        with os.fdopen(reading, "rb", buffering=0) as noted:
            while number := noted.read(1):
                if number[0] in self._numbers:
                    time.sleep(_SECONDS)
                    self._send(number[0])

    def _send(self, number: int) -> None:
        with self._lock:
            if not self._ended and not self._is_heard():
                signal.pthread_kill(self._main, number)

    def end(self) -> None:
        """Send nothing from now on."""
        with self._lock:
            self._ended = True
