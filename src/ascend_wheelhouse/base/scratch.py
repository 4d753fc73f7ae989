"""Folders for short work on many small files: in memory where there is room for them, else where temporary files go.

A journalling file system takes longer over the thousands of small files of a source tree than the build that is made
from them. What a killed run left in memory is removed by the next one: a lock tells which folders are in use.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it
_ROOM = 2 << 30
_PREFIX = "wheelhouse-scratch-"
_YOUNG = 60.0
_LOCK = "lock"


@contextmanager
def scratch(place: Path | None = None) -> Iterator[Path]:
    """Give an empty folder, removed at the end of the block.

    Args:
        place: Where to make it; memory or the folder of temporary files when None.
    """
    place = place or memory()
    if place is not None:
        sweep(place)
    with TemporaryDirectory(prefix=_PREFIX, dir=place) as name, Path(name, _LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        work = Path(name, "work")
        work.mkdir()
        yield work


def memory(room: int = _ROOM) -> Path | None:
    """Return a folder in memory that programs may run from and that has `room` bytes, if there is one.

    A `TMPDIR` of the user's own is obeyed instead.
    """
    if os.environ.get("TMPDIR") or not os.access(_MEMORY, os.W_OK):
        return None
    facts = os.statvfs(_MEMORY)
    free = min(facts.f_bavail * facts.f_frsize, _available())
    return _MEMORY if free >= room and not facts.f_flag & os.ST_NOEXEC else None


def sweep(place: Path) -> None:
    """Remove the folders whose makers were killed."""
    for folder in place.glob(f"{_PREFIX}*"):
        if _abandoned(folder):
            shutil.rmtree(folder, ignore_errors=True)


def _abandoned(folder: Path) -> bool:
    try:
        if time.time() - folder.stat().st_mtime < _YOUNG:
            return False
        with (folder / _LOCK).open("r") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _available() -> int:
    """Return the bytes of memory that new work may take (`MemAvailable`, proc_meminfo(5))."""
    lines = Path("/proc/meminfo").read_text("ascii").splitlines()
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), 0)
