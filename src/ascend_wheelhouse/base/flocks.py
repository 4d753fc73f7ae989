"""The kernel's locks (`flock`) on files and folders: they end with the process that holds them, however that ends.

Standard library only: what every run pays for uses it.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

SHARED, ALONE = fcntl.LOCK_SH, fcntl.LOCK_EX
_NOT_FOR_FOLDERS = {errno.EBADF, errno.ENOLCK, errno.EOPNOTSUPP}


def take(number: int, kind: int, waiting: Callable[[], None]) -> None:
    """Lock an open file; `waiting` is called once where another holds it."""
    try:
        fcntl.flock(number, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        waiting()
        fcntl.flock(number, kind)


@contextmanager
def folder(path: Path) -> Iterator[Callable[[int], None]]:
    """Give what locks a folder itself, as often as it is called: no lock file is left in it.

    On NFS such a lock holds on this host alone; where the file system has none for folders, nothing is locked.
    """
    number = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def lock(kind: int) -> None:
        try:
            fcntl.flock(number, kind)
        except OSError as error:
            if error.errno not in _NOT_FOR_FOLDERS:
                raise

    try:
        yield lock
    finally:
        os.close(number)
