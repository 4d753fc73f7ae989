"""Zip archives written byte by byte, so that they can say what `zipfile` would never write."""

from __future__ import annotations

import stat
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

LINK = stat.S_IFLNK | 0o777
FOLDER = stat.S_IFDIR | 0o755
DEVICE = stat.S_IFCHR | 0o644
PIPE = stat.S_IFIFO | 0o644
PLAIN = stat.S_IFREG | 0o644


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One member; what is None is as it should be.

    Args:
        name: Its name in the directory.
        data: Its bytes, or where a link leads.
        mode: Unix's mode; 0 where the maker's system has none.
        local_name: Its name beside the data.
        size: The size that the directory states.
        packed: The packed size that the directory states.
        over: The number of the member on whose bytes it lies.
        flags: Bit 0 says that it is encrypted.
        method: 0 stored, 8 deflated; others are known to few.
        check: The checksum that the directory states.
    """

    name: str
    data: bytes = b"x"
    mode: int = PLAIN
    local_name: str | None = None
    size: int | None = None
    packed: int | None = None
    over: int | None = None
    flags: int = 0
    method: int = 0
    check: int | None = None

    @cached_property
    def stored(self) -> bytes:
        """The bytes in the archive."""
        if self.method != 8:
            return self.data
        packer = zlib.compressobj(9, zlib.DEFLATED, -15)
        return packer.compress(self.data) + packer.flush()

    def numbers(self) -> tuple[int, int, int, int, int, int, int, int]:
        """Return what stands in both headers: version, flags, method, time, date, checksum and sizes."""
        check = zlib.crc32(self.data) if self.check is None else self.check
        packed = len(self.stored) if self.packed is None else self.packed
        size = len(self.data) if self.size is None else self.size
        return (20, self.flags | 0x800, self.method, 0, 0x5821, check, packed, size)


def archive(entries: Sequence[Entry]) -> bytes:
    """Return an archive of these members, in this order."""
    body, directory = b"", b""
    starts: list[int] = []
    for entry in entries:
        name = (entry.name if entry.local_name is None else entry.local_name).encode("utf-8", "surrogatepass")
        at = len(body) if entry.over is None or entry.over >= len(starts) else starts[entry.over]
        starts.append(at)
        if at == len(body):
            head = struct.pack("<4s5H3I2H", b"PK\3\4", *entry.numbers(), len(name), 0)
            body += head + name + entry.stored
    for entry, at in zip(entries, starts, strict=True):
        name = entry.name.encode("utf-8", "surrogatepass")
        tail = (len(name), 0, 0, 0, 0, (entry.mode & 0xFFFF) << 16, at)
        directory += struct.pack("<4sH5H3I5H2I", b"PK\1\2", 3 << 8 | 20, *entry.numbers(), *tail) + name
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, len(entries), len(entries), len(directory), len(body), 0)
    return body + directory + end
