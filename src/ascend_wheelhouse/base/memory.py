"""How much memory new work may take: what the machine has free, and what a limit on this process leaves of it.

A container or a systemd slice may hold a process to less than the machine has (cgroups, version 1 and 2); what lies
above that limit is killed, whatever `MemAvailable` says.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_ROOT = Path("/")


@dataclass(frozen=True, kw_only=True)
class _Accounts:
    """How one version of cgroups keeps its books: files of a group, and the row of those bytes that can be dropped."""

    limit: str
    used: str
    droppable: str


_NEW = _Accounts(limit="memory.max", used="memory.current", droppable="inactive_file")
_OLD = _Accounts(limit="memory.limit_in_bytes", used="memory.usage_in_bytes", droppable="total_inactive_file")


def available(root: Path = _ROOT) -> int:
    """Return the bytes of memory that new work may take.

    Args:
        root: Where `proc` and `sys` are.
    """
    return max(0, min([_of_machine(root), *_of_groups(root)]))


def _of_machine(root: Path) -> int:
    """Return `MemAvailable` (proc_meminfo(5)); 4 GiB where it does not stand."""
    rows = (line.split() for line in (root / "proc/meminfo").read_text("ascii").splitlines())
    return next((int(row[1]) * 1024 for row in rows if row[0] == "MemAvailable:"), 4 << 30)


def _of_groups(root: Path) -> Iterator[int]:
    """Yield what each group that this process is in leaves, those above it too."""
    try:
        lines = (root / "proc/self/cgroup").read_text("utf-8").splitlines()
    except OSError:
        return
    mounted = root / "sys/fs/cgroup"
    for line in lines:
        _, kinds, path = line.split(":", 2)
        if not kinds:
            yield from _above(mounted, path, _NEW)
            yield from _above(mounted / "unified", path, _NEW)
        elif "memory" in kinds.split(","):
            yield from _above(mounted / "memory", path, _OLD)


def _above(top: Path, path: str, accounts: _Accounts) -> Iterator[int]:
    folder = top / path.lstrip("/")
    while folder == top or top in folder.parents:
        try:
            limit = (folder / accounts.limit).read_text("ascii").strip()
            used = int((folder / accounts.used).read_text("ascii"))
            rows = (line.split() for line in (folder / "memory.stat").read_text("ascii").splitlines())
            droppable = next((int(row[1]) for row in rows if row[0] == accounts.droppable), 0)
        except (OSError, ValueError):  # a group of another namespace, or one without limits
            limit = "max"
        if limit != "max":
            yield int(limit) - used + droppable
        folder = folder.parent
