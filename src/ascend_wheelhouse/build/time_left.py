"""How long a build takes yet, by what its own tool prints: ninja's `[123/2000]`, make's `[ 12%]`.

The rate is that of the last minute and a half: objects out of the compiler's cache come first and in no time.
"""

from __future__ import annotations

import re
from collections import deque

_COUNTED = re.compile(r"^\[\s*(\d+)/(\d+)\]")
_SHARE = re.compile(r"^\[\s*(\d+)%\]")
_WINDOW_SECONDS = 90.0
_LEAST_SECONDS = 5.0


class TimeLeft:
    """Reads the lines of one step."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, float]] = deque()

    def after(self, line: str, now: float) -> float | None:
        """Return how many seconds are left after a line; None where nothing can be said.

        Args:
            line: What the build printed.
            now: The clock's reading in seconds.
        """
        share = _share(line)
        if share is None:
            return None
        if self._seen and share < self._seen[-1][1]:  # the next tool, or the next run of the same
            self._seen.clear()
        self._seen.append((now, share))
        while now - self._seen[0][0] > _WINDOW_SECONDS:
            self._seen.popleft()
        began, before = self._seen[0]
        if now - began < _LEAST_SECONDS or share <= before:
            return None
        return (1.0 - share) * (now - began) / (share - before)


def _share(line: str) -> float | None:
    if counted := _COUNTED.match(line):
        done, total = int(counted[1]), int(counted[2])
        return min(done / total, 1.0) if total else None
    percent = _SHARE.match(line)
    return min(int(percent[1]) / 100, 1.0) if percent else None
