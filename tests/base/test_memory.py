from __future__ import annotations

from pathlib import Path

import pytest

from ascend_wheelhouse.base.memory import available

GIB = 1 << 30


def machine(root: Path, *, free: int, groups: str = "") -> Path:
    """Lay out a machine with so many bytes free, its process in these groups."""
    put(root / "proc/meminfo", f"MemTotal: {99 << 20} kB\nMemAvailable: {free // 1024} kB\n")
    put(root / "proc/self/cgroup", groups)
    return root


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="ascii")


def new_group(folder: Path, limit: str, used: int, *, droppable: int = 0) -> None:
    put(folder / "memory.max", f"{limit}\n")
    put(folder / "memory.current", f"{used}\n")
    put(folder / "memory.stat", f"anon 1\ninactive_file {droppable}\n")


def test_without_a_limit_the_machine_decides(tmp_path: Path) -> None:
    assert available(machine(tmp_path, free=7 * GIB, groups="0::/\n")) == 7 * GIB


def test_a_limit_on_the_process_counts_with_what_is_used_below_it(tmp_path: Path) -> None:
    root = machine(tmp_path, free=60 * GIB, groups="0::/box/inner\n")
    new_group(root / "sys/fs/cgroup/box/inner", "max", GIB)
    new_group(root / "sys/fs/cgroup/box", str(24 * GIB), 10 * GIB, droppable=4 * GIB)
    assert available(root) == 18 * GIB


def test_a_limit_of_version_1_counts_as_well(tmp_path: Path) -> None:
    root = machine(tmp_path, free=60 * GIB, groups="4:cpu,memory:/box\n0::/\n")
    group = root / "sys/fs/cgroup/memory/box"
    put(group / "memory.limit_in_bytes", f"{8 * GIB}\n")
    put(group / "memory.usage_in_bytes", f"{3 * GIB}\n")
    put(group / "memory.stat", f"cache 5\ntotal_inactive_file {GIB}\n")
    assert available(root) == 6 * GIB


@pytest.mark.parametrize("free", [GIB, 100 * GIB])
def test_the_smaller_one_of_both_is_what_may_be_taken(free: int, tmp_path: Path) -> None:
    root = machine(tmp_path, free=free, groups="0::/\n")
    new_group(root / "sys/fs/cgroup", str(4 * GIB), 0)
    assert available(root) == min(free, 4 * GIB)


def test_a_limit_that_is_used_up_leaves_nothing(tmp_path: Path) -> None:
    root = machine(tmp_path, free=GIB, groups="0::/\n")
    new_group(root / "sys/fs/cgroup", str(GIB), 2 * GIB)
    assert available(root) == 0


def test_this_machine_is_read() -> None:
    assert available() > 0
