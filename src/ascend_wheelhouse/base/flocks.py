"""The kernel's locks (`flock`) on files and folders: they end with the process that holds them, however that ends.

Standard library only: what every run pays for uses it.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ascend_wheelhouse.base import rights

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
def folder(path: Path, beside: Path | None = None, *, make: bool = False) -> Iterator[Callable[[int], None]]:
    """Give what locks a folder itself, as often as it is called: no lock file is left in it.

    On NFS such a lock holds on this host alone; where the file system has none for folders, nothing is locked.

    Args:
        path: The folder.
        beside: A file that is locked as well, for the hosts that share the folder; passed over where it cannot be had.
        make: Make that file where it is missing: who only reads leaves nothing.
    """
    numbers = [os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)]

    def lock(kind: int) -> None:
        for number in reversed(
            numbers
        ):  # of two that go on from reading to writing, none keeps the other waiting
            _lock(number, fcntl.LOCK_UN)
        for number in numbers:
            _lock(number, kind)

    try:
        if beside is not None:
            with suppress(OSError):
                numbers.append(_opened(beside, make=make))
        yield lock
    finally:
        for number in numbers:
            os.close(number)


def _lock(number: int, kind: int) -> None:
    try:
        fcntl.flock(number, kind)
    except OSError as error:
        if error.errno not in _NOT_FOR_FOLDERS:
            raise


def _opened(file: Path, *, make: bool) -> int:
    """Open a lock file; whoever may write where it is made may lock it, whatever the umask of who made it.

    It is opened for writing where it may be: NFS gives an exclusive lock to nobody who may only read.
    """
    with suppress(OSError):
        return os.open(file, os.O_RDWR | os.O_CLOEXEC)
    if not make:
        return os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    rights.make_folder(file.parent.parent, file.parent.name)
    return rights.lock_file(file)
