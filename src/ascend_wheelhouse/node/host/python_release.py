"""Does a wheel exclude the very release of this node's Python? pip refuses it then, and uv installs it unasked."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any

from . import pythons
from .fitness import HostFinding


def findings(cell: Mapping[str, str], node: Mapping[str, Any]) -> Iterator[HostFinding]:
    """Yield one finding where wheels exclude releases of the cell's Python, as the manifest says it.

    Args:
        cell: The manifest's cell.
        node: What the manifest states of the node.
    """
    barred: Mapping[str, list[str]] = node.get("barred", {})
    if not barred:
        return
    wanted = cell.get("python", pythons.running())
    release = pythons.release(pythons.find(wanted) or sys.executable)
    names = sorted(name for name, releases in barred.items() if release in releases)
    yield HostFinding(
        name="python release",
        found=release or "unknown",
        wanted=f"one that no wheel excludes (not {_shown(barred)})",
        level="refuse" if names else "ok",
        why=f"By Requires-Python of {', '.join(names or sorted(barred))}: pip refuses it there, uv takes it unasked. "
        f"Run install.py with another release of CPython {wanted}.",
    )


def _shown(barred: Mapping[str, list[str]]) -> str:
    """Return the releases in few words: those from the first on that are in one row as their two ends."""
    releases = sorted({one for several in barred.values() for one in several}, key=_number)
    rows: list[list[str]] = []
    for one in releases:
        if rows and _number(one) == _number(rows[-1][-1]) + 1:
            rows[-1].append(one)
        else:
            rows.append([one])
    return ", ".join(row[0] if len(row) == 1 else f"{row[0]} to {row[-1]}" for row in rows)


def _number(release: str) -> int:
    last = release.rpartition(".")[2]
    return int(last) if last.isdecimal() and last.isascii() else 0
