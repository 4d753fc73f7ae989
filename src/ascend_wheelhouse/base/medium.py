"""The medium itself, and not this host's memory of it: what was written is there, what is proven is read from there.

The kernel keeps what was written in memory, writes it later, and reads it back from memory. A disk that is taken out
when a command ends must hold all of it, and a proof of a copy must have read the copy.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterator

_BEHIND = 64 << 20


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    number = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        yield number
    finally:
        os.close(number)


def flush(path: Path) -> None:
    """Have the bytes of a file, or the names in a folder, on its medium: a name given then stands for all of them."""
    with _opened(path) as number:
        os.fsync(number)


def flush_names(folder: Path) -> None:
    """Have the names in a folder on its medium, where its file system can be asked for that."""
    with suppress(OSError):  # some, over a network or by FUSE, know no such thing for folders
        flush(folder)


def flush_tree(folder: Path, *, linked: bool = True) -> None:
    """Have every file below a folder, and every name, on its medium.

    Writing begins for all before one is waited for: a journal is then written once, and not once a file.

    Args:
        folder: Where they are.
        linked: Whether files with further names are among them, too. Not, where such a name was given to a file that
            was on the medium before.
    """
    places = [(Path(place), files) for place, _folders, files in os.walk(folder)]
    paths = [place / name for place, files in places for name in files]
    fresh = [path for path in paths if linked or path.lstat().st_nlink == 1]
    for path in fresh:
        with _opened(path) as number:
            os.posix_fadvise(number, 0, 0, os.POSIX_FADV_DONTNEED)
    for path in fresh:
        flush(path)
    for place, _files in places:
        flush_names(place)
    flush_names(folder.parent)


def forget(paths: Iterable[Path]) -> None:
    """Have files read from their medium the next time, where the kernel can be asked for that."""
    for path in paths:
        with suppress(OSError), _opened(path) as number:
            os.fsync(number)  # what is not written yet is not forgotten
            os.posix_fadvise(number, 0, 0, os.POSIX_FADV_DONTNEED)


class Flusher:
    """Has what is appended to a file on its medium while more is written, so that little is left at its end.

    At most two times 64 MiB wait for a slow medium: who writes on then waits as well, and sees its speed.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1)
        self._running: Future[None] | None = None
        self._behind = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_rest: object) -> None:
        self._pool.shutdown()

    def wrote(self, number: int, count: int) -> None:
        """Take note of bytes that were written to an open file.

        Raises:
            OSError: An earlier stretch did not reach the medium.
        """
        self._behind += count
        if self._behind >= _BEHIND:
            self.wait()
            self._behind = 0
            self._running = self._pool.submit(_flush_and_close, os.dup(number))

    def wait(self) -> None:
        """Wait for the stretch that is on its way.

        Raises:
            OSError: It did not reach the medium, for want of space or since the medium fails.
        """
        if self._running is not None:
            running, self._running = self._running, None
            running.result()


def _flush_and_close(number: int) -> None:
    try:
        os.fdatasync(number)
    finally:
        os.close(number)
