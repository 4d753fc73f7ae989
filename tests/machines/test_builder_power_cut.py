"""The power of a builder is cut while it makes and packs, or right behind: what is there is whole, the next run ends.

On ext4, whose files of no length after a cut are what a file has that was renamed and not flushed.
"""

from __future__ import annotations

import json
import random
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from index_server import Index
from machine import Machine, MakeMachine, as_disk, disk
from small_world import found
from test_power_cut import POINTS

_SUPPORT = Path(__file__).parents[1] / "support"
_STEPS = Path(__file__).with_name("builder_steps.py")
_MOUNTED = (
    f"export PYTHONPATH={_SUPPORT}\nmkdir -p /builder && mount -t ext4 /dev/vda /builder\ntouch /job/begins\n"
)
_RUN = f"{sys.executable} {_STEPS} {{what}} /builder/world\n"
_MAKE, _JUDGE = (_RUN.format(what=what) for what in ("make", "judge"))
_WHOLE = {"wheelhouses": 1, "bundle": True}

pytest_plugins = ["machine_fixtures"]


@dataclass(frozen=True)
class Site:
    """A machine whose disk has a project with nothing made yet, as it is before each cut."""

    machine: Machine
    disk: Path
    before: Path

    def run(self, script: str) -> None:
        """Turn it on with its disk."""
        self.machine.start(_MOUNTED + script, as_disk(self.disk))

    def left(self) -> dict[str, Any]:
        """Turn it on after a cut, and return what is there; then make the rest of it."""
        self.run(f"{_JUDGE}{_MAKE}umount /builder\n")
        first, rest = (json.loads(line) for line in self.machine.finish().splitlines())
        assert _WHOLE.items() <= rest.items()
        return first  # type: ignore[no-any-return]


@pytest.fixture
def site(machine: MakeMachine, tmp_path: Path) -> Site:
    found(tmp_path / "folder" / "world", Index())
    path = disk(tmp_path / "builder.img", "500M", "mke2fs", "-q", "-t", "ext4", "-d", tmp_path / "folder")
    made = Site(machine("builder"), path, tmp_path / "before.img")
    shutil.copy(path, made.before)
    return made


def test_what_is_made_is_whole_and_the_rest_is_made_after_the_power_was_cut_anywhere(site: Site) -> None:
    site.run(f"{_MAKE}umount /builder\n")
    site.machine.wait_for("begins")
    begun = time.monotonic()
    site.machine.wait_for("packed")
    seconds = time.monotonic() - begun
    site.machine.finish()
    chance = random.Random(1)  # noqa: S311 - points, not secrets
    for point in range(POINTS):
        shutil.copy(site.before, site.disk)
        site.run(f"{_MAKE}sleep 600\n")
        site.machine.wait_for("begins")
        time.sleep(seconds * (point + chance.random()) / POINTS)
        site.machine.cut()
        site.left()


@pytest.mark.parametrize("mark", ["made", "packed"])
def test_what_a_command_made_is_there_when_the_power_is_cut_right_behind(mark: str, site: Site) -> None:
    site.run(f"{_MAKE}sleep 600\n")
    site.machine.wait_for(mark)
    site.machine.cut()
    left = site.left()
    assert (left["wheelhouses"], left["bundle"]) == (1, mark == "packed")
