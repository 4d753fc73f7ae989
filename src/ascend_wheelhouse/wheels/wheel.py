"""Reading a wheel in place: its name, its members, its metadata and its bytes, with nothing unpacked to disk.

A wheel comes from anywhere, so that nothing in it is believed: sizes are bounded, every failure of an
archive is one error class, and METADATA, WHEEL and RECORD are handed out as read, for the audit to judge.
Sources: PEP 427 and the binary distribution format specification, PEP 566 for METADATA.
"""

from __future__ import annotations

import base64
import binascii
import csv
import io
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesHeaderParser, HeaderParser
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self
from zipfile import ZipInfo

from packaging.metadata import Metadata, RawMetadata, parse_email
from packaging.tags import Tag
from packaging.utils import (
    BuildTag,
    NormalizedName,
    canonicalize_name,
    parse_wheel_filename,
)
from packaging.version import Version

from ascend_wheelhouse.base.archives import ZipArchive, telling
from ascend_wheelhouse.base.errors import IntegrityError

CHUNK = 1 << 20
_TEXT_LIMIT = 64 << 20
_METADATA_LIMIT = 16 << 20
_MOST_NAMES = 500
"""Names of fields: the specifications know some thirty, and each more has the readers go through all fields once."""


class BadWheelError(IntegrityError):
    """A file that is called a wheel cannot be read as one."""


@dataclass(frozen=True, kw_only=True)
class Member:
    """One entry of the archive: sizes in bytes as the central directory states them, `mode` Unix's or 0."""

    name: str
    size: int
    packed: int
    offset: int
    mode: int
    info: ZipInfo

    @property
    def is_dir(self) -> bool:
        """True for a folder entry."""
        return self.name.endswith("/")

    @property
    def is_link(self) -> bool:
        """True for a symbolic link, which no installer of wheels restores as one."""
        return stat.S_ISLNK(self.mode)


@dataclass(frozen=True, kw_only=True)
class RecordRow:
    """One line of RECORD; `digest` is the raw digest in hexadecimal, empty where the line has none."""

    path: str
    algorithm: str
    digest: str
    size: int | None


class WheelFile:
    """A wheel opened for reading; use `WheelFile.open` in a `with` statement."""

    def __init__(self, filename: str, archive: ZipArchive) -> None:
        self.filename = filename
        self._archive = archive

    @classmethod
    def open(cls, source: Path | io.RawIOBase, *, filename: str = "") -> Self:
        """Open the archive and read its central directory.

        Args:
            source: Where its bytes are.
            filename: Its file name, where `source` is not a file that is called so, as in the store.

        Raises:
            BadWheelError: The file is not a zip archive or its directory is damaged.
            OSError: The system does not give it.
        """
        called = filename or (source.name if isinstance(source, Path) else "")
        with telling(lambda fault: _bad(called, f"cannot be opened as a zip archive: {fault}")):
            return cls(called, ZipArchive(source))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._archive.close()

    @cached_property
    def parsed_filename(self) -> tuple[NormalizedName, Version, BuildTag, frozenset[Tag]]:
        """Name, version, build tag and tags that the file name states.

        Raises:
            BadWheelError: The name does not follow the specification.
        """
        try:
            return parse_wheel_filename(self.filename)
        except ValueError as error:
            raise _bad(self.filename, str(error)) from error

    @property
    def name(self) -> NormalizedName:
        """The distribution's normalised name, from the file name."""
        return self.parsed_filename[0]

    @property
    def version(self) -> Version:
        """The distribution's version, from the file name."""
        return self.parsed_filename[1]

    @property
    def tags(self) -> frozenset[Tag]:
        """The tags of the file name."""
        return self.parsed_filename[3]

    @cached_property
    def members(self) -> tuple[Member, ...]:
        """Every entry in archive order, folders and repeated names included."""
        return tuple(_member(info) for info in self._archive.infolist())

    def __contains__(self, name: str) -> bool:
        return name in self._archive.NameToInfo

    @cached_property
    def dist_info(self) -> str:
        """The `.dist-info` folder at the archive's top.

        Raises:
            BadWheelError: There is none, or more than one.
        """
        tops = {name.partition("/")[0] for name in self._archive.namelist() if "/" in name.strip("/")}
        found = sorted(top for top in tops if top.endswith(".dist-info"))
        if len(found) != 1:
            raise _bad(self.filename, f"has {len(found)} .dist-info folders at its top, and a wheel has one")
        return found[0]

    def chunks(self, member: Member, size: int = CHUNK) -> Iterator[bytes]:
        """Yield the member's bytes in pieces of at most `size`, its checksum proven at the end.

        Raises:
            BadWheelError: The data are damaged, encrypted or packed in an unknown way.
            OSError: The system does not give them.
        """
        with telling(lambda fault: _bad(self.filename, f"member {member.name!r} cannot be read: {fault}")):
            yield from self._archive.pieces(member.info, size)

    def read(self, name: str, *, limit: int = _TEXT_LIMIT) -> bytes:
        """Return one member's bytes.

        Raises:
            BadWheelError: There is no such member, it is longer than `limit` bytes, or it is damaged.
        """
        info = self._archive.NameToInfo.get(name)
        if info is None:
            raise _bad(self.filename, f"has no member {name!r}")
        if info.file_size > limit:
            raise _bad(self.filename, f"member {name!r} has more than {limit} bytes")
        return b"".join(self.chunks(_member(info)))

    def read_text(self, name: str) -> str:
        """Return one member as text; bytes that are not UTF-8 become U+FFFD."""
        return self.read(name).decode("utf-8", errors="replace")

    @cached_property
    def metadata_bytes(self) -> bytes:
        """METADATA as it stands."""
        return self.read(f"{self.dist_info}/METADATA", limit=_METADATA_LIMIT)

    @cached_property
    def raw_metadata(self) -> RawMetadata:
        """METADATA, its fields as texts.

        Raises:
            BadWheelError: There is none, or it has more names than any tool writes.
        """
        return self._parsed_metadata[0]

    @property
    def unread_fields(self) -> Mapping[str, Sequence[str]]:
        """Fields of METADATA that are not among those, by name in lower case: repeated ones and what is no UTF-8."""
        return self._parsed_metadata[1]

    @cached_property
    def _parsed_metadata(self) -> tuple[RawMetadata, Mapping[str, Sequence[str]]]:
        self._require_few_names("METADATA", BytesHeaderParser().parsebytes(self.metadata_bytes))
        return parse_email(self.metadata_bytes)

    def _require_few_names(self, name: str, message: Message) -> None:
        if len({key.lower() for key in message}) > _MOST_NAMES:
            raise _bad(self.filename, f"{name} has fields of more than {_MOST_NAMES} names")

    @cached_property
    def metadata(self) -> Metadata:
        """METADATA, each field validated when it is asked for (`packaging.metadata.InvalidMetadata`)."""
        return Metadata.from_raw(self.raw_metadata, validate=False)

    @cached_property
    def wheel_headers(self) -> Mapping[str, tuple[str, ...]]:
        """The WHEEL file: each header in lower case, with all its values in order.

        Raises:
            BadWheelError: There is none, or it has more names than any tool writes.
        """
        message = HeaderParser().parsestr(self.read_text(f"{self.dist_info}/WHEEL"))
        self._require_few_names("WHEEL", message)
        return {key.lower(): tuple(str(value) for value in message.get_all(key, [])) for key in message}

    @cached_property
    def record(self) -> tuple[RecordRow, ...]:
        """The rows of RECORD in file order.

        Raises:
            BadWheelError: A row has not three fields, or a digest or size that cannot be read.
        """
        lines = io.StringIO(self.read_text(f"{self.dist_info}/RECORD"), newline="")
        try:
            return tuple(_record_row(row) for row in csv.reader(lines) if row)
        except (ValueError, binascii.Error, csv.Error) as error:
            raise _bad(self.filename, f"RECORD cannot be read: {error}") from error


def canonical_dist_info(name: str) -> tuple[str, str]:
    """Return the normalised name and the version text of a `.dist-info` folder's name."""
    distribution, _, version = name.removesuffix(".dist-info").partition("-")
    return canonicalize_name(distribution), version


def _member(info: ZipInfo) -> Member:
    return Member(
        name=info.filename,
        size=info.file_size,
        packed=info.compress_size,
        offset=info.header_offset,
        mode=info.external_attr >> 16,
        info=info,
    )


def _record_row(row: list[str]) -> RecordRow:
    path, stated, size = row
    algorithm, _, encoded = stated.partition("=")
    digest = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).hex()
    return RecordRow(path=path, algorithm=algorithm, digest=digest, size=int(size) if size else None)


def _bad(filename: str, fault: str) -> BadWheelError:
    return BadWheelError(
        f"{filename}: {fault}.",
        why="The download or the copy was cut short, or the file was made by a faulty tool.",
        next_step=f"fetch or build {filename} again and compare its sha256 with the lock's",
    )
