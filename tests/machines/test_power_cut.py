"""The power of a node is cut while it installs: the old environment works afterwards, or the new one."""

from __future__ import annotations

import os
import random
import shutil
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from machine import Machine, MakeMachine, as_disk, disk
from small_wheelhouse import SmallWheelhouse, package

POINTS = int(os.environ["WHEELHOUSE_MACHINES"]) if os.environ.get("WHEELHOUSE_MACHINES", "").isdigit() else 4
_OLD = SmallWheelhouse(
    wheels=[package("alpha"), package("beta", data__txt="b" * 500_000)], stack="old", whole_uv=True
)
_NEW = replace(
    _OLD, wheels=[package("alpha", "2.0"), package("beta", "2.0", data__txt="n" * 900_000)], stack="new"
)
_MOUNTED = "mkdir -p /node && mount -t ext4 /dev/vda /node\n"
_INSTALL = "{python} -I {folder}/install.py --prefix /node/npu --insecure-no-signature --offline-index\n"
_LOOK = """{python} -I {new}/install.py --prefix /node/npu --check
/node/npu/run python -c 'import alpha, beta; from importlib.metadata import version as v; print(v("alpha"), v("beta"))'
"""

pytest_plugins = ["machine_fixtures"]


@dataclass(frozen=True)
class Node:
    """A machine whose disk has the old environment, as it is before each cut."""

    machine: Machine
    disk: Path
    before: Path
    new: Path

    def run(self, script: str) -> None:
        """Turn it on with its disk."""
        self.machine.start(_MOUNTED + script, as_disk(self.disk))


@pytest.fixture
def node(machine: MakeMachine, tmp_path: Path) -> Node:
    old, new = _OLD.write(tmp_path / "old"), _NEW.write(tmp_path / "new")
    path = disk(tmp_path / "node.img", "500M", "mke2fs", "-q", "-t", "ext4")
    made = Node(machine("node"), path, tmp_path / "before.img", new)
    made.run(_INSTALL.format(python=sys.executable, folder=old) + "umount /node\n")
    made.machine.finish()
    shutil.copy(path, made.before)
    return made


def test_an_environment_works_after_the_power_was_cut_anywhere(node: Node) -> None:
    install = _INSTALL.format(python=sys.executable, folder=node.new)
    look = _LOOK.format(python=sys.executable, new=node.new)
    begun = time.monotonic()
    node.run(f"touch /job/begins\n{install}touch /job/installed\n{look}umount /node\n")
    node.machine.wait_for("begins")
    begun = time.monotonic()
    node.machine.wait_for("installed")
    seconds = time.monotonic() - begun
    assert node.machine.finish().splitlines()[-1] == "2.0 2.0"
    chance = random.Random(1)  # noqa: S311 - points, not secrets
    seen = []
    for point in range(POINTS):
        shutil.copy(node.before, node.disk)
        node.run(f"touch /job/begins\n{install}touch /job/installed\nsleep 600\n")
        node.machine.wait_for("begins")
        time.sleep(seconds * (point + chance.random()) / POINTS)
        node.machine.cut()
        node.run(f"{look}echo again\n{install}{look}umount /node\n")
        first, again = node.machine.finish().split("\nagain\n")
        assert again.splitlines()[-1] == "2.0 2.0"
        seen.append(first.splitlines()[-1])
    assert set(seen) <= {"1.0 1.0", "2.0 2.0"}
    assert "1.0 1.0" in seen
