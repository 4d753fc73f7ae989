"""How kept trees of incremental builds look: a table, or rows of a JSON document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ascend_wheelhouse import console
from ascend_wheelhouse.console import words


@dataclass(frozen=True, kw_only=True)
class TreeRow:
    """One kept tree.

    Args:
        name: Its folder in the store.
        component: Whose it is.
        size: Bytes that it takes on the disk.
        used: When its last build began, seconds since 1970; None where that is not known.
    """

    name: str
    component: str
    size: int
    used: int | None


def show_trees(rows: Sequence[TreeRow], now: float) -> None:
    """Print one line for each; `now` is in seconds since 1970."""
    cells = [[row.name, words.size(row.size), _age(row, now)] for row in rows]
    console.table(["kept tree", "size", "used"], cells)


def _age(row: TreeRow, now: float) -> str:
    return "unknown" if row.used is None else f"{words.age(now - row.used)} ago"
