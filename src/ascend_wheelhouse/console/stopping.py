"""Signals that stop a run: its commands end, then the thread that does it is interrupted, once."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

from ascend_wheelhouse.base import interrupts, process
from ascend_wheelhouse.base.clock import SystemClock

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

_PATIENCE_SECONDS = 5.0
_AGAIN_SECONDS = 0.05
_CLOCK = SystemClock()


class RunStopped(KeyboardInterrupt):
    """A signal came: whatever cleans up after Ctrl-C cleans up now.

    Args:
        number: The signal.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__()

    @property
    def code(self) -> int:
        """The exit code of a run that this signal ended."""
        return interrupts.CODES[self.number]


class _Stop:
    """Ends the run at the first signal; later ones would only break off the clearing up, unless that takes long."""

    def __init__(self) -> None:
        self.number = 0
        self._again: threading.Timer | None = None
        self._since = float("-inf")

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        process.stop_all()
        now = _CLOCK.monotonic()
        if now - self._since < _PATIENCE_SECONDS:
            return
        self.number, self._since = number, now
        raise RunStopped(number)

    def lost(self) -> None:
        """Have the same signal come again: it was raised where Python lets no exception out, as while it imports."""
        self._since = float("-inf")
        self._again = threading.Timer(_AGAIN_SECONDS, os.kill, (os.getpid(), self.number))
        self._again.daemon = True
        self._again.start()

    def end(self) -> None:
        """Let no signal come again."""
        if self._again is not None:
            self._again.cancel()


@contextmanager
def stopping_on_signals() -> Iterator[None]:
    """Let Ctrl-C, SIGTERM and SIGHUP end the commands that other threads wait for, then interrupt this one.

    Raises:
        RunStopped: One came; also where a command that it ended was told as a failure before.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    stop = _Stop()
    numbers = [one for one in interrupts.CODES if one != signal.SIGHUP or not _is_below_nohup()]
    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        with _heard_of_loss(stop):
            yield
    except Exception as error:
        if stop.number and not isinstance(error, BrokenPipeError):  # whose reader's leave is the cause
            raise RunStopped(stop.number) from error
        raise
    finally:
        stop.end()
        for number, handler in before.items():
            plain = isinstance(handler, interrupts.EarlyStop)
            signal.signal(number, interrupts.PLAIN[number] if plain else handler)
        process.resume()


@contextmanager
def _heard_of_loss(stop: _Stop) -> Iterator[None]:
    before = sys.unraisablehook

    def told(lost: UnraisableHookArgs) -> None:
        if isinstance(lost.exc_value, RunStopped):
            stop.lost()
        else:
            before(lost)

    sys.unraisablehook = told
    try:
        yield
    finally:
        sys.unraisablehook = before


def _is_below_nohup() -> bool:
    return signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
