"""What any archive must satisfy before this tool keeps it: one set of limits for every way in.

Member names that leave their folder, sizes that only a decompression bomb has, and `.run` packages that are not what
makeself writes are refused. Nothing is run, and nothing is unpacked.
"""

from __future__ import annotations

import hashlib
import re
import zipfile
from collections.abc import Iterable
from itertools import accumulate
from pathlib import Path
from typing import BinaryIO

from ascend_wheelhouse.base.archives import leaves, swells
from ascend_wheelhouse.base.errors import IntegrityError

_HEADER_LIMIT = 1 << 20
_CHUNK = 1 << 20
_SIZES = re.compile(rb'^filesizes=" *([0-9]{1,18}(?: +[0-9]{1,18})* *)"', re.MULTILINE)
_LINES = re.compile(rb'(?:^skip="([0-9]{1,18})"|head -n ([0-9]{1,18}) "\$0")', re.MULTILINE)
_MD5 = re.compile(rb'^MD5="([0-9a-f ]+)"', re.MULTILINE)


class UnsafeArchiveError(IntegrityError):
    """An archive that would write outside its folder, or swell beyond reason."""


class NotMakeselfError(IntegrityError):
    """A `.run` file that is no self-extracting package, or not a whole one."""


def require_safe(filename: str, members: Iterable[zipfile.ZipInfo]) -> None:
    """Refuse an archive by its directory, before any of it is unpacked.

    Raises:
        UnsafeArchiveError: A name leaves its folder, or a size is that of a bomb.
    """
    for member in members:
        if leaves(member.filename):
            raise _unsafe(filename, f"its member {member.filename!r} leads out of its folder")
        if swells(member.file_size, member.compress_size):
            raise _unsafe(filename, f"{member.compress_size} bytes of it become {member.file_size}")


def _unsafe(filename: str, fault: str) -> UnsafeArchiveError:
    return UnsafeArchiveError(
        f"{filename} is not safe to open: {fault}.",
        why="Build tools write no such archives: it is damaged, or made to do harm.",
        next_step="get the file from its publisher again, and compare its sha256 with theirs",
    )


def require_makeself(path: Path, filename: str) -> list[tuple[int, int]]:
    """Refuse a `.run` file that is not a whole makeself archive: header, sizes and MD5 are read, nothing is run.

    makeself's header states the bytes of each payload in `filesizes`, its own length in lines as `skip` (2.4.2 on) or
    in `head -n N "$0"` (before), and the payloads' MD5, all zeros where there is none (makeself-header.sh of makeself).
    That CANN's packages are of this form follows from their options (`--check`, `--noexec`, `--extract`); no original
    was at hand here.

    Returns:
        Where its payloads are: offset and size of each, in bytes.

    Raises:
        NotMakeselfError: A part of that does not hold.
    """
    with path.open("rb") as stream:
        head = stream.read(_HEADER_LIMIT)
        sizes, lines = _SIZES.search(head), _LINES.search(head)
        if not head.startswith(b"#!") or sizes is None or lines is None:
            raise _not_makeself(filename, "it has no header of makeself")
        start = _after_lines(head, int(lines[1] or lines[2]))
        wanted = [int(size) for size in sizes[1].split()]
        if start is None or path.stat().st_size != start + sum(wanted):
            raise _not_makeself(
                filename, f"it has {path.stat().st_size} bytes, and its header tells of others"
            )
        stated = _MD5.search(head)
        payloads = list(zip(accumulate(wanted[:-1], initial=start), wanted, strict=True))
        for (begin, size), md5 in zip(payloads, stated[1].split() if stated else [], strict=False):
            stream.seek(begin)
            if set(md5) != {ord("0")} and _md5(stream, size) != md5.decode():
                raise _not_makeself(filename, "its content is not the one that its checksum belongs to")
    return payloads


def _after_lines(head: bytes, lines: int) -> int | None:
    """Return where the bytes after so many lines begin; None if they do not end in the header."""
    end = 0
    for _ in range(lines):
        end = head.find(b"\n", end) + 1
        if end == 0:
            return None
    return end


def _md5(stream: BinaryIO, size: int) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    while size > 0 and (piece := stream.read(min(_CHUNK, size))):
        digest.update(piece)
        size -= len(piece)
    return digest.hexdigest()


def _not_makeself(filename: str, fault: str) -> NotMakeselfError:
    return NotMakeselfError(
        f"{filename} is not a whole self-extracting package: {fault}.",
        why="It was cut short or changed, or it is something else under that name.",
        next_step="download it again and compare its sha256 with the publisher's",
    )
