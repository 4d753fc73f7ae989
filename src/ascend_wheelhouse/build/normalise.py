"""One wheel, one sequence of bytes: what is left of a wheel when all that depends on the builder is gone.

Members stand in one order (`.dist-info` after the rest, RECORD last), with one time, one of two modes, one
compression and no folder entries; the tags of WHEEL and the rows of RECORD are sorted. On the way the wheel
may get another local version, everywhere it is written. Data go through in chunks: memory does not grow with
the wheel, for which `wheel`'s own writer holds each member whole and takes times and modes from the host;
its reader has the last word, on every row of the new RECORD. Deflate's output is that of this interpreter's
zlib, which belongs to the identity of a builder. Sources: the binary distribution format and RECORD
specifications; PEP 440 for local versions.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import stat
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from packaging.version import Version
from wheel import wheelfile

from ascend_wheelhouse.base.errors import BuildError
from ascend_wheelhouse.wheels.wheel import CHUNK, Member, WheelFile

LEVEL = 6
"""Deflate's level: zlib's own default, so that a wheel of a common build tool hardly changes its size."""
_EARLIEST = 315_532_800
_SIGNATURES = ("RECORD.jws", "RECORD.p7s")


class UnfitWheelError(BuildError):
    """A build left a wheel that cannot be normalised."""


@dataclass(frozen=True, kw_only=True)
class _Change:
    """How a wheel's names change; `stem` is what the `.dist-info` and `.data` folders begin with."""

    stem: str
    new_stem: str
    new_version: str | None
    build_tag: str = ""

    def path(self, member: str) -> str:
        """Return where a member belongs."""
        top, slash, rest = member.partition("/")
        for suffix in (".dist-info", ".data"):
            if top == f"{self.stem}{suffix}":
                return f"{self.new_stem}{suffix}{slash}{rest}"
        return member

    def text(self, file: str, data: bytes) -> bytes:
        """Return the bytes of a `.dist-info` file as they must read after the change."""
        if file == "METADATA" and self.new_version is not None:
            return _headers(data, "Version", [self.new_version])
        if file == "WHEEL":
            tagged = _headers(data, "Build", [self.build_tag]) if self.build_tag else data
            return _headers(tagged, "Tag", sorted(_values(data, "Tag")))
        return data


def normalise_wheel(
    source: Path,
    destination_dir: Path,
    *,
    local_version: str | None,
    epoch: int,
    build_tag: str = "",
    additions: Mapping[str, bytes] | None = None,
) -> Path:
    """Write the normal form of a wheel and return its path.

    Args:
        source: A wheel with one of the names that the specification allows.
        destination_dir: An existing folder, not the one of `source` unless the name changes.
        local_version: Replaces the local part of the version; empty takes it away, None leaves it.
        epoch: Time of every member, seconds since 1970; raised to 1980, where zip begins.
        build_tag: The wheel's build tag from now on; empty leaves it.
        additions: Further files of its `.dist-info`.

    Raises:
        BadWheelError: The archive is damaged, or not a wheel.
        UnfitWheelError: It holds links or repeated or unsafe names, its name is not that of its `.dist-info`, its
            METADATA or WHEEL is not UTF-8, or the new version is not valid.
    """
    with (
        WheelFile.open(source) as wheel,
        TemporaryDirectory(dir=destination_dir, prefix=".normalise-") as folder,
    ):
        change = replace(_change(wheel, local_version), build_tag=build_tag)
        made = Path(folder, _filename(wheel, change))
        _write(wheel, _ordered(wheel, change, additions or {}), change, made, epoch)
        _prove(wheel, made)
        made.chmod(0o644)
        return made.replace(destination_dir / made.name)


def _prove(wheel: WheelFile, made: Path) -> None:
    """Read every member with `wheel`, which holds each against its row of RECORD."""
    try:
        with wheelfile.WheelFile(made) as archive:
            for entry in archive.infolist():
                with archive.open(entry) as stream:
                    while stream.read(CHUNK):
                        pass
    except wheelfile.WheelError as error:
        raise _unfit(wheel, f"is no wheel to pypa's `wheel`: {error}") from error


def _change(wheel: WheelFile, local_version: str | None) -> _Change:
    stem = wheel.dist_info.removesuffix(".dist-info")
    if local_version is None:
        return _Change(stem=stem, new_stem=stem, new_version=None)
    try:
        new = str(Version(wheel.version.public + (f"+{local_version}" if local_version else "")))
    except ValueError as error:
        raise _unfit(wheel, f"{local_version!r} is no local version of PEP 440") from error
    new_stem = f"{stem.partition('-')[0]}-{new}"
    return _Change(stem=stem, new_stem=new_stem, new_version=new)


def _filename(wheel: WheelFile, change: _Change) -> str:
    name, version, *rest = wheel.filename.removesuffix(".whl").split("-")
    if change.build_tag:
        rest = [change.build_tag, *rest[-3:]]
    return "-".join([name, change.new_version or version, *rest]) + ".whl"


def _ordered(
    wheel: WheelFile, change: _Change, additions: Mapping[str, bytes]
) -> list[tuple[str, Member | bytes]]:
    """Return new path and member, or bytes, in their final order, without folders, RECORD and signatures."""
    dropped = {f"{wheel.dist_info}/{name}" for name in ("RECORD", *_SIGNATURES)}
    kept = [member for member in wheel.members if not member.is_dir and member.name not in dropped]
    added = {f"{wheel.dist_info}/{name}": data for name, data in additions.items()}
    names = [*(member.name for member in kept), *added]
    bad = {member.name for member in kept if member.is_link or _unsafe(member.name)}
    bad |= {name for name in names if names.count(name) > 1} if len(set(names)) < len(names) else set()
    if bad:
        raise _unfit(wheel, f"holds links, or repeated or unsafe names: {', '.join(sorted(bad)[:5])}")
    placed: dict[str, Member | bytes] = {change.path(member.name): member for member in kept}
    placed |= {change.path(name): data for name, data in added.items()}
    last = change.path(f"{wheel.dist_info}/")
    return sorted(placed.items(), key=lambda item: (item[0].startswith(last), item[0]))


def _unsafe(name: str) -> bool:
    return name.startswith("/") or "\\" in name or ".." in name.split("/")


def _write(
    wheel: WheelFile, members: list[tuple[str, Member | bytes]], change: _Change, place: Path, epoch: int
) -> None:
    stamp = time.gmtime(max(epoch, _EARLIEST))[:6]
    rows = []
    with ZipFile(place, "w", ZIP_DEFLATED, allowZip64=True) as archive:
        for path, member in members:
            pieces, size = _content(wheel, member, change)
            mode = 0 if isinstance(member, bytes) else member.mode
            rows.append(_copy(archive, _entry(path, stamp, size=size, mode=mode), pieces))
        record = change.path(f"{wheel.dist_info}/RECORD")
        data = _record([*rows, (record, "", "")])
        _copy(archive, _entry(record, stamp, size=len(data), mode=0), [data])


def _content(wheel: WheelFile, member: Member | bytes, change: _Change) -> tuple[Iterable[bytes], int]:
    if isinstance(member, bytes):
        return [member], len(member)
    folder, _, file = member.name.rpartition("/")
    if folder == wheel.dist_info and file in {"METADATA", "WHEEL"}:
        try:
            data = change.text(file, wheel.read(member.name))
        except UnicodeDecodeError as error:
            raise _unfit(wheel, f"its {file} is not UTF-8: {error}") from error
        return [data], len(data)
    return wheel.chunks(member), member.size


def _entry(path: str, stamp: tuple[int, ...], *, size: int, mode: int) -> ZipInfo:
    year, month, day, hour, minute, second = stamp
    entry = ZipInfo(path, (year, month, day, hour, minute, second))
    entry.create_system = 3
    entry.external_attr = (stat.S_IFREG | (0o755 if mode & 0o111 else 0o644)) << 16
    entry.compress_type = ZIP_DEFLATED
    entry.file_size = size
    entry._compresslevel = LEVEL  # type: ignore[attr-defined]  # noqa: SLF001 - public from Python 3.13 on
    return entry


def _copy(archive: ZipFile, entry: ZipInfo, pieces: Iterable[bytes]) -> tuple[str, str, str]:
    """Write a member and return its row of RECORD."""
    digest, size = hashlib.sha256(), 0
    with archive.open(entry, "w") as stream:
        for piece in pieces:
            digest.update(piece)
            size += stream.write(piece)
    encoded = base64.urlsafe_b64encode(digest.digest()).rstrip(b"=").decode()
    return entry.filename, f"sha256={encoded}", str(size)


def _record(rows: Iterable[tuple[str, str, str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def _values(data: bytes, header: str) -> Iterator[str]:
    for line in data.decode().splitlines():
        name, _, value = line.partition(":")
        if name.lower() == header.lower():
            yield value.strip()


def _headers(data: bytes, header: str, values: Iterable[str]) -> bytes:
    """Replace every line of one header, in the block before the first empty line, by these values."""
    head, gap, body = data.decode().replace("\r\n", "\n").partition("\n\n")
    lines = head.split("\n")
    at = [place for place, line in enumerate(lines) if line.lower().startswith(f"{header.lower()}:")]
    fresh = [f"{header}: {value}" for value in values]
    kept = [line for place, line in enumerate(lines) if place not in at]
    first = at[0] if at else len([line for line in kept if line])
    return ("\n".join([*kept[:first], *fresh, *kept[first:]]) + gap + body).encode()


def _unfit(wheel: WheelFile, fault: str) -> UnfitWheelError:
    return UnfitWheelError(
        f"{wheel.filename}: {fault}.",
        why="A wheel in normal form holds plain files, each once, inside its own folders.",
        next_step="correct the build steps of the recipe, or its local_version",
    )
