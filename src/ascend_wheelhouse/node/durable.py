"""On the disk before something else counts on it: a power loss keeps no order but what was waited for.

The kernel writes files later than it gives them their names, so that after a crash of the node a name may lead to an
empty file.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
from pathlib import Path

_libc = ctypes.CDLL(None, use_errno=True)


def flush(*folders: Path) -> None:
    """Wait until all that was written to the file systems of some folders is on their disks, each once.

    It is `syncfs` and not `sync`: a file server elsewhere that does not answer must not hold this up.

    Raises:
        OSError: It could not be written, for want of space or since the disk fails.
    """
    by_device = {folder.stat().st_dev: folder for folder in folders}
    for folder in by_device.values():
        number = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _syncfs(number, folder)
        finally:
            os.close(number)


def _syncfs(number: int, folder: Path) -> None:
    if not hasattr(_libc, "syncfs"):
        os.sync()
    elif _libc.syncfs(number):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), str(folder))


def flush_names(folder: Path) -> None:
    """Have the names in a folder on the disk, where its file system can be asked for that; some cannot."""
    with contextlib.suppress(OSError):
        number = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(number)
        finally:
            os.close(number)


def replace(path: Path, text: str, fresh: Path) -> Path:
    """Write a small file whole or not at all, whatever happens to the node meanwhile, and return its path.

    Args:
        path: Where it goes.
        text: What it holds.
        fresh: Where it is written first, in the same folder.

    Raises:
        OSError: It cannot be written.
    """
    with fresh.open("w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    fresh.replace(path)
    flush_names(path.parent)
    return path
