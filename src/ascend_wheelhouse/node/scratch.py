"""Folders for short work, each removed at its end, or by a later run where its maker was killed.

A lock of the kernel on a file in it tells that a folder is in use. Who clears away may come between the making of a
folder and its lock; its maker sees that and makes another.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

PREFIX = "wheelhouse-scratch-"
_LOCK, _WORK = ".wheelhouse-lock", "work"
_OWN = 0o700


@contextlib.contextmanager
def scratch(place: Path | None = None, prefix: str = PREFIX) -> Iterator[Path]:
    """Give an empty folder, removed at the end of the block.

    Args:
        place: Where to make it; the folder of temporary files when None.
        prefix: How its name begins; folders with the same beginning that killed runs left are removed.
    """
    place = place or Path(tempfile.gettempdir())
    sweep(place, prefix)
    folder, number = _made(place, prefix)
    try:
        work = folder / _WORK
        work.mkdir()
        yield work
    finally:
        _remove(folder)
        os.close(number)


def sweep(place: Path, prefix: str = PREFIX) -> None:
    """Remove the folders whose makers were killed."""
    for folder in place.glob(f"{prefix}*"):
        with contextlib.suppress(OSError):
            _remove_if_abandoned(folder)


def _made(place: Path, prefix: str) -> tuple[Path, int]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=place))
        with contextlib.suppress(FileNotFoundError):
            number = os.open(folder / _LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            fcntl.flock(number, fcntl.LOCK_EX)
            if (folder / _LOCK).exists():
                return folder, number
            os.close(number)


def _remove_if_abandoned(folder: Path) -> None:
    if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
        return
    try:
        number = os.open(folder / _LOCK, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        folder.rmdir()  # refused unless it is empty: its maker was killed, or makes another
        return
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _remove(folder)
    finally:
        os.close(number)


def _remove(folder: Path) -> None:
    """Remove a folder, its lock last but one: as long as there is something in it, the next run finds the lock."""
    with contextlib.suppress(OSError):
        shutil.rmtree(folder / _WORK, onerror=_once_more)
        (folder / _LOCK).unlink(missing_ok=True)
        folder.rmdir()


def _once_more(function: Callable[..., object], path: str, _error: object) -> None:
    """Remove what lies in a folder that was made read-only, as package caches do."""
    with contextlib.suppress(OSError):
        Path(path).parent.chmod(_OWN)
        Path(path).chmod(_OWN)
        if function in {os.unlink, os.rmdir}:
            function(path)
        else:
            shutil.rmtree(path, ignore_errors=True)
