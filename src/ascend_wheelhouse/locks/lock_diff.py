"""What changed between two locks, and why: the lines that `invoke lock --upgrade` prints."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from packaging.utils import canonicalize_name

from ascend_wheelhouse.locks.lock import Lock
from ascend_wheelhouse.locks.pylock import LockedFile

Kind = Literal["added", "removed", "changed", "replaced"]
_SHORT = 12


@dataclass(frozen=True, kw_only=True)
class Change:
    """One name that is different; `before` and `after` are versions, `reason` says why it may be so."""

    name: str
    kind: Kind
    before: str
    after: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class _Stated:
    """A payload or a source: its release, and which bytes it is."""

    version: str
    bytes_of: str


def compare(old: Lock | None, new: Lock, *, asked: Collection[str] = ()) -> list[Change]:
    """Return every difference between two locks: that of their wheels, then of their payloads and sources, by name.

    A source that was built is told by its wheel alone, where that differs.

    Args:
        old: The lock of before, if there was one.
        new: The lock of now.
        asked: Names whose version was asked for by itself.
    """
    before = {wheel.name: wheel for wheel in old.installed} if old else {}
    after = {wheel.name: wheel for wheel in new.installed}
    names = sorted(before.keys() | after.keys())
    changes = [_change(name, before.get(name), after.get(name), old, new) for name in names]
    changes += _beside(old, new, {change.name for change in changes if change is not None})
    return [
        replace(change, reason="asked for") if change.name in asked and change.kind == "changed" else change
        for change in changes
        if change is not None
    ]


def _beside(old: Lock | None, new: Lock, told: Collection[str]) -> Iterator[Change | None]:
    """Yield what is otherwise of what goes into the host, and of what is built from another commit or archive."""
    before, after = (dict(_stated(lock)) if lock else {} for lock in (old, new))
    for name in sorted((before.keys() | after.keys()) - {*told}):
        was, now = before.get(name), after.get(name)
        if was is None and now is not None:
            yield Change(
                name=name, kind="added", before="", after=now.version, reason="an origin gives it now"
            )
        elif was is not None and now is None:
            reason = _why_lost(name, new)
            yield Change(name=name, kind="removed", before=was.version, after="", reason=reason)
        elif was is not None and now is not None and was != now:
            kind: Kind = "replaced" if was.version == now.version else "changed"
            reason = f"{was.bytes_of} became {now.bytes_of}" if kind == "replaced" else "the cell asks for it"
            yield Change(name=name, kind=kind, before=was.version, after=now.version, reason=reason)


def _stated(lock: Lock) -> Iterator[tuple[str, _Stated]]:
    for payload in lock.payloads:
        text = f"{payload.filename} with sha256 {payload.sha256[:_SHORT]}"
        yield payload.component, _Stated(version=payload.version, bytes_of=text)
    for source in lock.sources:
        archive = source.archive
        text = (
            f"{archive.filename} with sha256 {archive.sha256[:_SHORT]}"
            if archive
            else f"commit {source.commit[:_SHORT]}"
        )
        yield source.component, _Stated(version=source.version, bytes_of=text)


def _why_lost(name: str, lock: Lock) -> str:
    lost = name in {canonicalize_name(one.component) for one in lock.pending}
    return "no origin gives it now: it is pending" if lost else "nothing needs it any more"


def _change(
    name: str, old: LockedFile | None, new: LockedFile | None, before: Lock | None, after: Lock
) -> Change | None:
    if old is None and new is not None:
        return Change(name=name, kind="added", before="", after=new.version, reason=_needed_by(new))
    if old is not None and new is None:
        reason = _why_lost(name, after)
        return Change(name=name, kind="removed", before=old.version, after="", reason=reason)
    if old is None or new is None or (old.version, old.sha256) == (new.version, new.sha256):
        return None
    if old.version == new.version:
        reason = (
            f"{old.filename} became {new.filename}"
            if old.filename != new.filename
            else "other bytes, same name"
        )
        return Change(name=name, kind="replaced", before=old.version, after=new.version, reason=reason)
    reason = _why_moved(name, new, before, after)
    return Change(name=name, kind="changed", before=old.version, after=new.version, reason=reason)


def _needed_by(file: LockedFile) -> str:
    return f"needed by {', '.join(file.via)}" if file.via else "asked for by the cell"


def _why_moved(name: str, new: LockedFile, before: Lock | None, after: Lock) -> str:
    asked = {line for line in after.inputs.requirements if line.startswith(f"{name}==")}
    if before and asked and not asked <= set(before.inputs.requirements):
        return "the cell asks for it"
    if before and before.inputs.exclude_newer != after.inputs.exclude_newer:
        return f"newest that fits by {after.inputs.exclude_newer or 'now'}; {_needed_by(new)}"
    return f"newest that fits now; {_needed_by(new)}"
