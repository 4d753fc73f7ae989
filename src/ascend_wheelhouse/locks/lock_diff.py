"""What changed between two locks, and why: the lines that `invoke lock --upgrade` prints."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Literal

from packaging.utils import canonicalize_name

from ascend_wheelhouse.locks.lock import Lock
from ascend_wheelhouse.locks.pylock import LockedFile

Kind = Literal["added", "removed", "changed", "replaced"]


@dataclass(frozen=True, kw_only=True)
class Change:
    """One name that is different; `before` and `after` are versions, `reason` says why it may be so."""

    name: str
    kind: Kind
    before: str
    after: str
    reason: str


def compare(old: Lock | None, new: Lock, *, asked: Collection[str] = ()) -> list[Change]:
    """Return every difference between two locks' wheels, by name.

    Args:
        old: The lock of before, if there was one.
        new: The lock of now.
        asked: Names whose version was asked for by itself.
    """
    before = {wheel.name: wheel for wheel in old.installed} if old else {}
    after = {wheel.name: wheel for wheel in new.installed}
    names = sorted(before.keys() | after.keys())
    changes = (_change(name, before.get(name), after.get(name), old, new) for name in names)
    return [
        replace(change, reason="asked for") if change.name in asked and change.kind == "changed" else change
        for change in changes
        if change is not None
    ]


def _change(
    name: str, old: LockedFile | None, new: LockedFile | None, before: Lock | None, after: Lock
) -> Change | None:
    if old is None and new is not None:
        return Change(name=name, kind="added", before="", after=new.version, reason=_needed_by(new))
    if old is not None and new is None:
        lost = name in {canonicalize_name(one.component) for one in after.pending}
        reason = "no origin gives it now: it is pending" if lost else "nothing needs it any more"
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
