"""All waiting goes through this clock, so that waiting can be stopped at once and tests never wait."""

from __future__ import annotations

import threading
import time
from typing import Protocol


class Clock(Protocol):
    """What the core may ask of time."""

    def monotonic(self) -> float:
        """Return seconds since some fixed point; only differences mean something."""
        ...

    def wall(self) -> float:
        """Return seconds since 1970, for comparing with dates that servers send."""
        ...

    def sleep(self, seconds: float, stop: threading.Event) -> None:
        """Wait for `seconds`, or until `stop` is set."""
        ...


class SystemClock:
    """The host's clock."""

    def monotonic(self) -> float:
        """Return seconds since some fixed point; only differences mean something."""
        return time.monotonic()

    def wall(self) -> float:
        """Return seconds since 1970, for comparing with dates that servers send."""
        return time.time()

    def sleep(self, seconds: float, stop: threading.Event) -> None:
        """Wait for `seconds`, or until `stop` is set."""
        stop.wait(seconds)
