"""What was told to go to its medium, and when."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest


class Flushed:
    """Counts what of a folder was told to go to its medium, by inode, with the size that it had then."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sizes: dict[int, int] = {}
        self.times = Counter[int]()
        for name in ("fsync", "fdatasync"):
            monkeypatch.setattr(os, name, self._noting(getattr(os, name)))

    def _noting(self, flush: Callable[[int], None]) -> Callable[[int], None]:
        def noting(number: int) -> None:
            flush(number)
            found = os.fstat(number)
            self.sizes[found.st_ino] = found.st_size
            self.times[found.st_ino] += 1

        return noting

    def holds(self, path: Path) -> bool:
        """Tell whether a file is there as it was when it last went to its medium."""
        found = path.stat()
        return self.sizes.get(found.st_ino) == found.st_size
