"""How long a host is waited for that fails or asks to be left alone, for all threads of a client alike.

A wait that the host asks for is met up to a minute. One that asks for longer is asked once more after that minute, and
given up where it asks for as long again: waiting on would hold the run for nothing.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from urllib.parse import urlsplit

from ascend_wheelhouse.origins import faults

_ENOUGH = 3
_ONCE = "It failed so for others before, however long was waited, and is asked once for each file now."
_LONGEST_WAIT = 60.0
_WORTH_TELLING = 5.0


class Patience:
    """What a client knows of the hosts that failed.

    Args:
        retries: How often a request is repeated at most, as pip is told.
    """

    def __init__(self, retries: int) -> None:
        self._retries = retries
        self._given_up: set[str] = set()
        self._failed: Counter[str] = Counter()
        self._told: dict[str, float] = {}
        self._guard = threading.Lock()

    def seconds(self, attempt: int, fault: faults.OriginError) -> float | None:
        """Return the seconds to wait before the next try, None where there should be none.

        The wait is what the origin asked for, else twice as long each time with jitter; a host once given
        up is not waited for again.

        Args:
            attempt: How many tries were repeated before.
            fault: Why the last one failed, one that may pass.
        """
        host = urlsplit(fault.url).netloc
        asks_long = fault.retry_after is not None and fault.retry_after > _LONGEST_WAIT
        if asks_long:
            fault.why = f"{fault.reason} It asked for a wait of {fault.retry_after:.0f} s."
        allowed = 0 if host in self._given_up else min(self._retries, fault.retries, 1 if asks_long else 100)
        if attempt >= allowed:
            self._note(host, fault, asks_long=asks_long)
            return None
        backoff = min(0.5 * 2**attempt, _LONGEST_WAIT) * random.uniform(0.5, 1.0)  # noqa: S311 - jitter
        return backoff if fault.retry_after is None else min(fault.retry_after, _LONGEST_WAIT)

    def text(self, fault: faults.OriginError, seconds: float, now: float) -> str:
        """Return what is to be told of a wait; empty where it is short, or another one told of that host just now.

        Args:
            fault: Why it is waited.
            seconds: For how long.
            now: Seconds since some fixed point.
        """
        host = urlsplit(fault.url).netloc.rpartition("@")[2]
        with self._guard:
            if fault.retry_after is None or seconds < _WORTH_TELLING or now < self._told.get(host, now):
                return ""
            self._told[host] = now + seconds
        asked = f"{host} is busy and asks for a wait of {fault.retry_after:.0f} s"
        return f"{asked}: waiting {seconds:.0f} s"

    def _note(self, host: str, fault: faults.OriginError, *, asks_long: bool) -> None:
        """Give a host up that cannot be reached, or that failed for a few URLs however long was waited."""
        if isinstance(fault, faults.UnreachableHostError):
            self._given_up.add(host)
        elif isinstance(fault, faults.TooManyRequestsError | faults.ServerFailedError) and self._retries:
            with self._guard:
                if host in self._given_up:
                    fault.why = f"{fault.why} {_ONCE}"
                self._failed[host] += 1
                if asks_long or self._failed[host] >= _ENOUGH:
                    self._given_up.add(host)
