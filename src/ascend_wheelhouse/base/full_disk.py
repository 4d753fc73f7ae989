"""Naming what a full disk stopped: the system names no file where a write into an open one fails.

A program that ran out of space says so in words, and ends as it does for any other trouble.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
LOST = frozenset(
    {errno.EIO, errno.ENODEV, errno.ENOTCONN, errno.ESTALE, errno.EREMOTEIO, errno.EHOSTDOWN, errno.ENOMEDIUM}
)
"""What the system says of a medium that was taken out, or a file system whose driver or server is gone (errno(3))."""

# What programs say of it: glibc's texts of both, in English.
_TOLD = ("No space left on device", "Disk quota exceeded")
# git repeats what its server says with this word before it: the full disk is another host's then.
_ELSEWHERE = "remote:"


def told_by(program: str, text: str) -> OSError | None:
    """Return the error of a program that says that a disk of this host is full, or None where it says nothing of it."""
    for line in map(str.strip, text.splitlines()):
        if any(words in line for words in _TOLD) and not line.startswith(_ELSEWHERE):
            return OSError(errno.ENOSPC, f"{Path(program).name} says: {line.rstrip('.')}")
    return None


@contextmanager
def naming(path: Path, kinds: frozenset[int] = FULL) -> Iterator[None]:
    """Have a full disk that stops a `with` block be told as that of a path, where the system names none.

    Args:
        path: What is written.
        kinds: The errors that are told so; `FULL | LOST` where nothing but `path` is touched in the block.
    """
    try:
        yield
    except OSError as error:
        if error.errno in kinds and error.filename is None:
            error.filename = str(path)
        raise
