"""Signals that stop a run: its commands end, then the thread that does it is interrupted, once."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

from ascend_wheelhouse.base import interrupts, process
from ascend_wheelhouse.base.clock import SystemClock
from ascend_wheelhouse.console.unheard import Again, coming_again

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

_PATIENCE_SECONDS = 5.0
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
        self._since = float("-inf")

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        process.stop_all()
        if self.is_heard():
            return
        self.number, self._since = number, _CLOCK.monotonic()
        raise RunStopped(number)

    def is_heard(self) -> bool:
        """Tell whether the run is being cleared up, so that a further signal changes nothing."""
        return _CLOCK.monotonic() - self._since < _PATIENCE_SECONDS

    def lost(self) -> None:
        """Take back that the run was stopped: it was raised where Python lets no exception out, as while it imports."""
        self._since = float("-inf")


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
        with coming_again(numbers, stop.is_heard) as again, _heard_of_loss(stop, again):
            yield
    except Exception as error:
        if stop.number and not isinstance(error, BrokenPipeError):  # whose reader's leave is the cause
            raise RunStopped(stop.number) from error
        raise
    finally:
        for number, handler in before.items():
            plain = isinstance(handler, interrupts.EarlyStop)
            signal.signal(number, interrupts.PLAIN[number] if plain else handler)
        process.resume()


@contextmanager
def _heard_of_loss(stop: _Stop, again: Again) -> Iterator[None]:
    before = sys.unraisablehook

    def told(lost: UnraisableHookArgs) -> None:
        if isinstance(lost.exc_value, RunStopped):
            stop.lost()
            again(stop.number)
        else:
            before(lost)

    sys.unraisablehook = told
    try:
        yield
    finally:
        sys.unraisablehook = before


def _is_below_nohup() -> bool:
    return signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
