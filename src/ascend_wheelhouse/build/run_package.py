"""Unpacking a `.run` package without running any of it: a shell head, then a tar archive.

What makeself's own `--noexec --extract` would do, but for the shell: the head is read as text, the archive is unpacked
by the rules for archives from anywhere. A link that leads out, an absolute path and a device are refused.
"""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import BinaryIO, cast

from ascend_wheelhouse.base.archives import FAULTS
from ascend_wheelhouse.base.errors import IntegrityError
from ascend_wheelhouse.base.unpack import extract
from ascend_wheelhouse.wheels.admission import require_makeself


class UnsafePackageError(IntegrityError):
    """What a `.run` package holds cannot be unpacked, or would lie outside its folder."""


class _Stretch:
    """Some bytes of a file as a file of their own, read once from their start."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self._stream = stream
        self._left = size

    def read(self, size: int) -> bytes:
        """Return the next bytes, none at the end."""
        data = self._stream.read(min(size, self._left))
        self._left -= len(data)
        return data


def unpack_run(path: Path, filename: str, folder: Path) -> None:
    """Unpack a package into a folder that is made for it.

    Args:
        path: The package.
        filename: What it is called, for messages.
        folder: Where to.

    Raises:
        NotMakeselfError: It is not a whole makeself archive.
        UnsafePackageError: Its archive cannot be read, or a member of it is refused.
    """
    payloads = require_makeself(path, filename)
    if len(payloads) != 1:
        raise unsafe(filename, f"it has {len(payloads)} archives, and packages of CANN have one")
    (begin, size) = payloads[0]
    folder.mkdir(parents=True)
    try:
        with path.open("rb") as stream:
            stream.seek(begin)
            # tarfile asks its file for `read` alone in this mode, and tells gzip, bzip2 and xz by their first bytes
            content = cast("BinaryIO", _Stretch(stream, size))
            with tarfile.open(fileobj=content, mode="r|*") as archive:
                extract(archive, folder, packed=size)
    except FAULTS as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise unsafe(filename, str(error) or type(error).__name__) from error


def unsafe(filename: str, fault: str) -> UnsafePackageError:
    """Return the error about a package that is not unpacked."""
    return UnsafePackageError(
        f"{filename} is not unpacked: {fault.rstrip('.')}.",
        why="Packages of CANN hold plain files and links among themselves: it is damaged, or made to do harm.",
        next_step="get the file from its publisher again, and compare its sha256 with theirs",
    )
