"""Files of `file:` URLs, as a mirror on a disk has them."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from ascend_wheelhouse.origins import faults
from ascend_wheelhouse.origins.answers import Head


@contextmanager
def local_file(url: str) -> Iterator[BufferedReader]:
    """Open the file of a `file:` URL.

    Raises:
        NotFoundError: There is none, or what is there is no plain file; a pipe is not waited for.
    """
    path = Path(url2pathname(urlsplit(url).path))
    try:
        file = open(path, "rb", opener=_unwaiting)  # noqa: SIM115 - closed below
    except OSError as error:
        raise faults.NotFoundError(url, error.strerror or "cannot be opened") from error
    except ValueError as error:  # `%00`, or what is no character of this system's file names
        raise faults.NotFoundError(url, "no file can have such a name") from error
    with file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise faults.NotFoundError(url, "it is no plain file")
        yield file


def local_head(url: str, file: BufferedReader, *, start: int = 0) -> Head:
    """Return what a server would have told of an open file; `start` counts bytes."""
    status = os.fstat(file.fileno())
    return Head(
        url=url,
        start=start,
        partial=start > 0,
        size=status.st_size,
        validator=f'"{status.st_mtime_ns}"',
        content_type="",
    )


def _unwaiting(path: str, flags: int) -> int:
    """Open a file as `open` does, but wait for no writer of a pipe."""
    return os.open(path, flags | os.O_NONBLOCK)
