"""What differs between two wheelhouses: cell, parts, sizes, and what is pending."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import zip_longest
from typing import Any, Literal

from ascend_wheelhouse.console import words
from ascend_wheelhouse.pages.render import render
from ascend_wheelhouse.pages.view import Part, WheelhouseView

Kind = Literal["added", "removed", "version", "content"]
MEANINGS: Mapping[Kind, str] = {
    "added": "added",
    "removed": "removed",
    "version": "other version",
    "content": "same version, other bytes",
}


@dataclass(frozen=True, kw_only=True)
class PartChange:
    """One part that differs: versions, and sizes in bytes, on both sides; empty and 0 where it is not there."""

    name: str
    kind: Kind
    before: str
    after: str
    size_before: int
    size_after: int

    @property
    def grows(self) -> int:
        """By how many bytes it became larger."""
        return self.size_after - self.size_before


@dataclass(frozen=True, kw_only=True)
class CellChange:
    """One fact of the cell that differs; empty where a side does not state it."""

    name: str
    before: str
    after: str


@dataclass(frozen=True, kw_only=True)
class SideBySide:
    """Two wheelhouses side by side.

    Args:
        before: The name of the one that is compared with.
        after: The name of the other.
        sizes: Bytes of all parts, before and after.
        same: How many parts are equal.
        newly_pending: Components that only the later one lacks.
        supplied: Components that only the earlier one lacked.
    """

    before: str
    after: str
    cell: tuple[CellChange, ...]
    parts: tuple[PartChange, ...]
    sizes: tuple[int, int]
    same: int
    newly_pending: tuple[str, ...]
    supplied: tuple[str, ...]

    def of(self, kind: Kind) -> tuple[PartChange, ...]:
        """Return the changes of one kind."""
        return tuple(one for one in self.parts if one.kind == kind)

    @property
    def lead(self) -> str:
        """All of it in one sentence."""
        said = [f"{len(self.of(kind))} {text}" for kind, text in MEANINGS.items() if self.of(kind)]
        before, after = self.sizes
        return (
            f"{', '.join(said) or 'no file differs'}, {self.same} equal; in all {difference(after - before)}."
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the object that `--json` prints."""
        return asdict(self)


def compared(before: WheelhouseView, after: WheelhouseView) -> SideBySide:
    """Compare two wheelhouses."""
    old, new = _by_name(before), _by_name(after)
    keys = sorted(old.keys() | new.keys())
    changes = [_change(*pair) for key in keys for pair in _pairs(old.get(key, []), new.get(key, []))]
    cells = sorted(before.cell.keys() | after.cell.keys())
    lacked, lacks = ({one.name for one in view.pending} for view in (before, after))
    alike = before.title == after.title
    return SideBySide(
        before=_called(before, alike=alike),
        after=_called(after, alike=alike),
        cell=tuple(
            CellChange(
                name=name.replace("_", "-"), before=before.cell.get(name, ""), after=after.cell.get(name, "")
            )
            for name in cells
            if before.cell.get(name) != after.cell.get(name)
        ),
        parts=tuple(one for one in changes if one is not None),
        sizes=(sum(one.size for one in before.parts), sum(one.size for one in after.parts)),
        same=sum(one is None for one in changes),
        newly_pending=tuple(sorted(lacks - lacked)),
        supplied=tuple(sorted(lacked - lacks)),
    )


def _called(view: WheelhouseView, *, alike: bool) -> str:
    """Return the name of a side; with the lock where both wheelhouses have one name."""
    lock = view.digests.get("lock", "")
    return f"{view.title}, lock {lock[:8]}" if alike and lock else view.title


def _by_name(view: WheelhouseView) -> dict[tuple[str, str], list[Part]]:
    """Return the parts of each name and kind: a component may have several packages of one kind."""
    found: dict[tuple[str, str], list[Part]] = {}
    for part in view.parts:
        found.setdefault((part.name, part.kind), []).append(part)
    return found


def _pairs(before: Sequence[Part], after: Sequence[Part]) -> list[tuple[Part | None, Part | None]]:
    """Put the files of one name and kind side by side: equal ones first, then those of one file name or version."""
    left, right = sorted(before, key=_order), sorted(after, key=_order)
    pairs: list[tuple[Part | None, Part | None]] = []
    for alike in (_same_bytes, _same_file, _same_version):
        for one in [*left]:
            if (other := next((two for two in right if alike(one, two)), None)) is not None:
                pairs.append((one, other))
                left.remove(one)
                right.remove(other)
    return [*pairs, *zip_longest(left, right)]


def _order(part: Part) -> tuple[str, str, str]:
    return part.file, part.version, part.sha256


def _same_bytes(one: Part, two: Part) -> bool:
    return one.sha256 == two.sha256


def _same_file(one: Part, two: Part) -> bool:
    return one.file == two.file


def _same_version(one: Part, two: Part) -> bool:
    return one.version == two.version


def _change(before: Part | None, after: Part | None) -> PartChange | None:
    one = after or before
    if one is None or (before and after and before.sha256 == after.sha256):
        return None
    kind: Kind = "content"
    if before is None or after is None:
        kind = "removed" if after is None else "added"
    elif before.version != after.version:
        kind = "version"
    return PartChange(
        name=one.name,
        kind=kind,
        before=before.version if before else "",
        after=after.version if after else "",
        size_before=before.size if before else 0,
        size_after=after.size if after else 0,
    )


def difference(count: int) -> str:
    """Return bytes with their sign."""
    return f"{'-' if count < 0 else '+'}{words.size(abs(count))}" if count else "the same size"


def page(comparison: SideBySide) -> str:
    """Return the page of a comparison."""
    return render(
        "comparison.html.j2",
        title=f"{comparison.after} against {comparison.before}",
        eyebrow="comparison",
        found=comparison,
        meanings=MEANINGS,
        difference=difference,
    )
