"""How two builds of one wheel differ: a rung for the whole, then member by member, down to the ELF section.

The rungs: *bit-equal*, the files are the same bytes; *equal after normalising*, only order, times, modes or
packing of the archive differ; *differs*, what would be installed is not the same.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile

from ascend_wheelhouse.base.process import run
from ascend_wheelhouse.build.normalise import normalise_wheel
from ascend_wheelhouse.store.proven import file_sha256
from ascend_wheelhouse.wheels.elf import MAGIC
from ascend_wheelhouse.wheels.wheel import WheelFile

Rung = Literal["bit-equal", "equal after normalising", "differs"]
_MOST_TEXT = 1 << 20


@dataclass(frozen=True, kw_only=True)
class MemberDifference:
    """One member that differs, and in what."""

    member: str
    detail: str


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two wheels held side by side."""

    rung: Rung
    differences: tuple[MemberDifference, ...] = ()


def compare_wheels(first: Path, second: Path) -> Comparison:
    """Return the rung that two wheels reach, and what differs where it is not the top one."""
    if first.name == second.name and file_sha256(first) == file_sha256(second):
        return Comparison(rung="bit-equal")
    differences = tuple(member_differences(first, second))
    if _normal_digest(first) == _normal_digest(second):
        return Comparison(rung="equal after normalising", differences=differences)
    return Comparison(rung="differs", differences=differences)


def _normal_digest(wheel: Path) -> tuple[str, str]:
    with TemporaryDirectory(prefix="wheelhouse-compare-", dir=wheel.parent) as folder:
        done = normalise_wheel(wheel, Path(folder), local_version=None, epoch=0)
        return done.name, file_sha256(done)


def member_differences(first: Path, second: Path) -> Iterator[MemberDifference]:
    """Yield each member that only one wheel has, whose bytes differ, or whose place, mode or time does."""
    with WheelFile.open(first) as one, WheelFile.open(second) as two:
        ours, theirs = _facts(one), _facts(two)
        for name in sorted(ours.keys() ^ theirs.keys()):
            yield MemberDifference(member=name, detail=f"only in the {'first' if name in ours else 'second'}")
        for name in sorted(ours.keys() & theirs.keys()):
            if ours[name].digest != theirs[name].digest:
                yield MemberDifference(member=name, detail=_content(name, one, two))
            elif ours[name] != theirs[name]:
                yield MemberDifference(member=name, detail=_archive_facts(ours[name], theirs[name]))


@dataclass(frozen=True, kw_only=True)
class _Facts:
    digest: str
    mode: int
    time: tuple[int, ...]


def _facts(wheel: WheelFile) -> Mapping[str, _Facts]:
    table = {}
    for member in wheel.members:
        digest = hashlib.sha256()
        for chunk in wheel.chunks(member):
            digest.update(chunk)
        table[member.name] = _Facts(digest=digest.hexdigest(), mode=member.mode, time=member.info.date_time)
    return table


def _archive_facts(ours: _Facts, theirs: _Facts) -> str:
    parts = []
    if ours.mode != theirs.mode:
        parts.append(f"mode {ours.mode & 0o777:o} and {theirs.mode & 0o777:o}")
    if ours.time != theirs.time:
        parts.append(f"time {ours.time} and {theirs.time}")
    return ", ".join(parts)


def _content(name: str, one: WheelFile, two: WheelFile) -> str:
    first, second = one.read(name, limit=1 << 32), two.read(name, limit=1 << 32)
    if first.startswith(MAGIC) and second.startswith(MAGIC):
        return "sections " + (", ".join(section_differences(first, second)) or "none: headers only")
    if len(first) < _MOST_TEXT and b"\0" not in first + second:
        return _first_line(first, second)
    return f"{len(first)} and {len(second)} bytes"


def section_differences(first: bytes, second: bytes) -> list[str]:
    """Return the ELF sections that only one object has or whose bytes differ, each with both sizes."""
    ours, theirs = _sections(first), _sections(second)
    return [
        f"{name} ({len(ours.get(name, b''))} and {len(theirs.get(name, b''))} bytes)"
        for name in sorted(ours.keys() | theirs.keys())
        if ours.get(name) != theirs.get(name)
    ]


def _sections(data: bytes) -> dict[str, bytes]:
    try:
        return {part.name: part.data() for part in ELFFile(BytesIO(data)).iter_sections() if part.name}
    except ELFError:
        return {"(unreadable)": data}


def _first_line(first: bytes, second: bytes) -> str:
    pairs = zip(first.splitlines(), second.splitlines(), strict=False)
    for number, (ours, theirs) in enumerate(pairs, start=1):
        if ours != theirs:
            both = [side[:80].decode(errors="replace") for side in (ours, theirs)]
            return f"line {number}: {' | '.join(both)}"
    return f"{len(first)} and {len(second)} bytes"


def diffoscope(first: Path, second: Path, report: Path) -> Path | None:
    """Write diffoscope's report where it is installed, and return it."""
    if shutil.which("diffoscope") is None:
        return None
    run(["diffoscope", "--text", report, first, second], check=False)
    return report
