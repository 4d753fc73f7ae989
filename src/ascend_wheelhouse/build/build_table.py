"""The `[build]` table of a recipe as a lock remembers it: by the digest of each key, so that a change can be named.

A wheel that a lock knows is taken from the store without a look at the recipe, and its source starts from what the
table asked for when the lock was made. A lock of an earlier version of this tool remembers none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ascend_wheelhouse.base.errors import UsageError
from ascend_wheelhouse.build.command import spec_of
from ascend_wheelhouse.build.keys import digest_of
from ascend_wheelhouse.cells.cell import Cell
from ascend_wheelhouse.cells.recipe import Recipe
from ascend_wheelhouse.locks.lock import LockedSource

KEY = "table"
_PINNED = {"backend", "own_requirements", "project_file", "repositories", "requirements", "subdirectory"}
"""What a lock pins; the rest of a table takes effect in the next build, whose key it is part of."""
_CHANGES_NO_WHEEL = {"memory_mb"}
_DECIDED = ("edits", "downloads", "repositories")
"""Lists of which those rows are left whose condition holds."""
_REMARKS = {"why", "source"}


class BuildTableChangedError(UsageError):
    """The `[build]` table of a component is not the one that its lock was made with."""


def remembered(recipe: Recipe, cell: Cell) -> dict[str, str]:
    """Return what a lock remembers of a recipe's `[build]` table: key to SHA-256, where a key says anything.

    A key that is empty, or that a later version adds with nothing in it, is not there. Conditions that hold, remarks,
    and what changes no wheel do not count.
    """
    table: dict[str, Any] = spec_of(recipe, cell).model_dump(mode="json")
    for name in _DECIDED:
        table[name] = [{key: value for key, value in row.items() if key != "when"} for row in table[name]]
    table["host_libraries"] = sorted(recipe.host_libraries)
    stated = {key: _stated(value) for key, value in table.items() if key not in _CHANGES_NO_WHEEL}
    return {key: digest_of({"value": value}) for key, value in sorted(stated.items()) if value}


def _stated(value: Any) -> Any:  # noqa: ANN401 - whatever a table can hold
    """Return a value without what is empty in it, and without remarks."""
    if isinstance(value, Mapping):
        rows = {key: _stated(each) for key, each in value.items() if key not in _REMARKS}
        return {key: each for key, each in rows.items() if each}
    return [_stated(each) for each in value] if isinstance(value, list) else value


def require_table(locked: LockedSource, recipe: Recipe, cell: Cell, again: str) -> None:
    """Hold a recipe's `[build]` table to the one that a lock remembers, if it remembers one.

    Args:
        locked: The source. Where the lock knows its wheel, all of the table counts, else what the lock pins by it.
        recipe: Its recipe.
        cell: The cell.
        again: The command that locks the table that there is now.

    Raises:
        BuildTableChangedError: It is another one.
    """
    if not (wanted := locked.build.get(KEY)):
        return
    there = remembered(recipe, cell)
    counting = set(wanted | there) if locked.wheel else _PINNED
    if not (differing := sorted(key for key in counting if wanted.get(key) != there.get(key))):
        return
    made = "The wheel that it knows was made" if locked.wheel else "What it pins for the build was chosen"
    raise BuildTableChangedError(
        f"The [build] table of {locked.component} is not the one of the lock: {', '.join(differing)} "
        f"{'differs' if len(differing) == 1 else 'differ'}.",
        why="The recipe was changed since the lock was made, here or by another version of this program. "
        f"{made} by the one of then.",
        next_step=again,
    )
