"""Which form of a lock is read here: what a newer version of this tool wrote is refused, not half read."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ascend_wheelhouse.base import toml_text
from ascend_wheelhouse.base.errors import UsageError

SCHEMA = 2


class NewerLockError(UsageError):
    """A lock file has a schema that this version does not know."""


def require(table: Mapping[str, Any], path: Path, known: int = SCHEMA) -> None:
    """Hold a table with a `schema` to one that is read here; older ones are, and a table without one is let through.

    Args:
        table: What was read.
        path: Its file.
        known: The newest schema that is read.

    Raises:
        NewerLockError: It is newer.
    """
    schema = table.get("schema")
    if type(schema) is int and schema > known:
        raise NewerLockError(
            f"{path.parent.name}/{path.name} has schema {schema}; this version of ascend-wheelhouse reads {known}.",
            why="A newer version wrote it. What this one does not know would be left out without a word.",
            next_step="update ascend-wheelhouse; or restore the lock of before from git",
        )


def require_of_pylock(path: Path, tool: str) -> None:
    """Hold a lock of wheels that cannot be read to a schema that is read here; what is no TOML is let through."""
    with suppress(OSError, ValueError):
        tables = toml_text.read(path, {}).get("tool", {})
        table = tables.get(tool, {}) if isinstance(tables, dict) else {}
        require(table if isinstance(table, dict) else {}, path)
