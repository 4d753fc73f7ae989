"""Where short work on many small files is done: in memory where there is space, else where temporary files go.

A journalling file system takes longer over the thousands of small files of a source tree than the build that is made
from them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ascend_wheelhouse.base.memory import available
from ascend_wheelhouse.node import scratch as folders

_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it
_WANTED = 2 << 30


@contextmanager
def scratch(place: Path | None = None) -> Iterator[Path]:
    """Give an empty folder, removed at the end of the block, or by the next run where this one is killed.

    Args:
        place: Where to make it; memory or the folder of temporary files when None.
    """
    with folders.scratch(place or memory()) as work:
        yield work


def memory(wanted: int = _WANTED) -> Path | None:
    """Return a folder in memory that programs may run from and that has `wanted` bytes free, if there is one.

    A `TMPDIR` of the user's own is obeyed instead.
    """
    if os.environ.get("TMPDIR") or not os.access(_MEMORY, os.W_OK):
        return None
    facts = os.statvfs(_MEMORY)
    free = min(facts.f_bavail * facts.f_frsize, available())
    return _MEMORY if free >= wanted and not facts.f_flag & os.ST_NOEXEC else None
