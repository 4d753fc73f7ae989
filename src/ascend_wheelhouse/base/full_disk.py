"""Naming what a full disk stopped: the system names no file where a write into an open one fails."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Have a full disk that stops a `with` block be told as that of a path, where the system names none."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL and error.filename is None:
            error.filename = str(path)
        raise
