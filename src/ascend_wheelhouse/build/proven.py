"""What `invoke reproduce` found of the wheels of a lock, in the lock that takes its place."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ascend_wheelhouse.build.build_table import KEY
from ascend_wheelhouse.locks.lock import LockedSource


def proven(built: Iterable[LockedSource], before: Iterable[LockedSource]) -> dict[str, LockedSource]:
    """Return the sources whose wheel is the one that was found bit-equal before, with its note, by component.

    Args:
        built: Sources with the wheels that they gave now.
        before: Those of the lock that is replaced. One of an earlier version of this tool tells no table.
    """
    known = {one.component: one for one in before}
    found = {}
    for one in built:
        old = known.get(one.component)
        if old is None or old.wheel is None or one.wheel is None or not old.wheel.note:
            continue
        if old.wheel.sha256 == one.wheel.sha256 and _bare(old, one) == _bare(one, old):
            found[one.component] = replace(one, wheel=old.wheel)
    return found


def _bare(source: LockedSource, other: LockedSource) -> LockedSource:
    """Return a source without its wheel; without its table as well where the other one tells none."""
    build = {key: value for key, value in source.build.items() if key != KEY or KEY in other.build}
    return replace(source, wheel=None, build=build)
