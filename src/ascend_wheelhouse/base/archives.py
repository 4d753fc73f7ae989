"""Reading zip and tar archives from anywhere: what can go wrong with one, and what is refused.

Names, sizes and kinds are judged by the directory before anything is written, and no file is written over another of
the same archive: a name that stands twice, in another case on a file system that does not tell it, or as file and
folder at once ends the unpacking.
"""

from __future__ import annotations

import errno
import io
import lzma
import os
import re
import stat
import struct
import tarfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from posixpath import normpath
from typing import IO, Self
from zipfile import BadZipFile, ZipFile, ZipInfo

from ascend_wheelhouse.base import zip_member
from ascend_wheelhouse.node import documents

FAULTS = (
    BadZipFile,
    EOFError,
    LookupError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    ValueError,
    lzma.LZMAError,
    struct.error,
    tarfile.TarError,
    zlib.error,
)
"""What the readers of the standard library raise for a damaged or hostile archive; `telling` sorts them."""
_BOMB_SIZE = 64 << 20
_BOMB_RATIO = 200
_LOCAL_HEADER = 30
_ENCRYPTED = 1
_CHUNK = 1 << 20


@contextmanager
def telling(error_of: Callable[[str], Exception]) -> Iterator[None]:
    """Turn what an archive's readers raise into an error; what the system says of a file or disk goes through.

    An invalid argument (EINVAL) is what it says of an offset before the file's start, which stands in the archive.
    """
    try:
        yield
    except FAULTS as error:
        if isinstance(error, OSError) and error.errno not in {None, errno.EINVAL}:
            raise
        raise error_of(str(error) or type(error).__name__) from error


def leaves(name: str) -> bool:
    """Tell whether a wheel's member would be installed outside the folder that it belongs to.

    What lies below `NAME.data/SCHEME/` goes to another folder than the rest, so its path counts from there (binary
    distribution format, "The .data directory"); pip refuses such a wheel.
    """
    slashed = name.replace("\\", "/")
    scheme = re.match(r"(?:\./)*[^/]+\.data/[^/]*/?", slashed)
    plain = normpath(slashed)
    if scheme is not None and f"{normpath(f'./{slashed[scheme.end() :]}')}/".startswith("../"):
        return True
    return (
        plain == ".."
        or plain.startswith(("/", "../"))
        or "\0" in name
        or re.match(r"[A-Za-z]:", name) is not None
    )


def swells(size: int, packed: int) -> bool:
    """Tell whether a member of `packed` bytes that becomes `size` bytes is a decompression bomb."""
    return size > _BOMB_SIZE and size > _BOMB_RATIO * max(packed, 1)


class ZipArchive(ZipFile):
    """A zip archive from anywhere, opened for reading: the one class that reads them outside of nodes."""

    def __init__(self, source: Path | IO[bytes] | io.RawIOBase) -> None:
        super().__init__(source)

    @classmethod
    @contextmanager
    def opened(
        cls, source: Path | IO[bytes] | io.RawIOBase, error_of: Callable[[str], Exception]
    ) -> Iterator[Self]:
        """Open an archive, and turn whatever is wrong with it into an error; see `telling`."""
        with telling(error_of), cls(source) as archive:
            yield archive

    def pieces(self, info: ZipInfo, size: int = _CHUNK) -> Iterator[bytes]:
        """Yield a member's bytes in pieces of at most `size` bytes; see `zip_member.pieces`."""
        return zip_member.pieces(self, info, size)

    def unzip(self, folder: Path) -> None:
        """Write the files and folders, with modes 0644 and 0755.

        Raises:
            BadZipFile: A name leaves the folder, stands twice, or is a file and a folder; a member is a link, a
                device, encrypted, or lies over another; or it swells beyond reason. Then nothing was written.
            OSError: A name differs from another in its case alone, and the file system does not tell them apart.
        """
        members = self.infolist()
        _refuse_overlaps(self, members)
        paths = Paths()
        for member in members:
            _refuse(member)
            if fault := paths.add(member.filename.rstrip("/"), folder=member.is_dir()):
                raise BadZipFile(fault)
        if swells(sum(one.file_size for one in members), sum(one.compress_size for one in members)):
            raise BadZipFile("it is a decompression bomb")
        folder.mkdir(parents=True, exist_ok=True)
        for member in members:
            _write(self, member, folder / member.filename)


def _write(archive: ZipFile, member: ZipInfo, place: Path) -> None:
    if member.is_dir():
        place.mkdir(parents=True, exist_ok=True)
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    mode = 0o755 if member.external_attr >> 16 & 0o100 else 0o644
    number = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    with os.fdopen(number, "wb") as out:
        out.writelines(zip_member.pieces(archive, member, _CHUNK))


def _refuse(member: ZipInfo) -> None:
    name, mode = member.orig_filename, member.external_attr >> 16
    kind = stat.S_IFMT(mode)
    if leaves(name) or not documents.path(name.removesuffix("/")):
        raise BadZipFile(f"{name!r} is no plain path inside the archive's folder")
    if kind not in {0, stat.S_IFREG, stat.S_IFDIR} or (kind == stat.S_IFDIR) > member.is_dir():
        raise BadZipFile(f"{name!r} is neither a file nor a folder")
    if member.flag_bits & _ENCRYPTED:
        raise BadZipFile(f"{name!r} is encrypted")
    if swells(member.file_size, member.compress_size):
        raise BadZipFile(f"{name!r} is a decompression bomb")


def _refuse_overlaps(archive: ZipFile, members: Sequence[ZipInfo]) -> None:
    """Refuse members whose bytes lie over those of others: one stretch of bytes would be unpacked many times."""
    starts = sorted((one.header_offset, one.compress_size, one.orig_filename) for one in members)
    ends = [start for start, _, _ in starts[1:]] + [archive.start_dir]
    for (start, size, name), end in zip(starts, ends, strict=True):
        if start + _LOCAL_HEADER + size > end:
            raise BadZipFile(f"{name!r} lies over another member")


class Paths:
    """The paths of an archive: none may be a file and a folder at once, and no file stands twice."""

    def __init__(self) -> None:
        self._files: set[str] = set()
        self._folders: set[str] = set()

    def add(self, path: str, *, folder: bool, again: bool = False) -> str:
        """Note a path and return what is wrong with it, or an empty text.

        Args:
            path: Relative and normal.
            folder: Whether it is a folder.
            again: A file may stand there before: the later one of a tar archive counts.
        """
        above = {path[:at] for at, letter in enumerate(path) if letter == "/"}
        if path in self._files and (folder or not again):
            return f"{path!r} stands there twice"
        if clash := next((one for one in sorted(above) if one in self._files), ""):
            return f"{clash!r} is a file and a folder"
        if not folder and path in self._folders:
            return f"{path!r} is a file and a folder"
        self._folders |= above | ({path} if folder else set())
        self._files |= set() if folder else {path}
        return ""
