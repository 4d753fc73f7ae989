"""Packages of CANN that are stopped halfway, removed afterwards, or installed by two runs at once."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from small_wheelhouse import CELL, MACHINE, SmallWheelhouse

TOOLKIT = f"Ascend-cann-toolkit_8.3.RC2_linux-{MACHINE}.run"
_SCRIPT = """\
#!/bin/sh
[ "$1" = --check ] && exit 0
echo begun >> {calls}
info={ascend}/ascend-toolkit/latest/{machine}-linux/ascend_toolkit_install.info
mkdir -p $(dirname $info)
echo version=8.3.RC2 > $info
sh -c 'sleep {seconds}; echo written >> {calls}; :'
echo 'export ASCEND_HOME_PATH=set' > {ascend}/ascend-toolkit/set_env.sh
"""


class Node:
    """A folder of CANN, and a wheelhouse whose toolkit takes some seconds in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.ascend, self.calls = folder, folder / "Ascend", folder / "calls"

    def house(self, seconds: float) -> Path:
        """Write the wheelhouse; the package is the same file each time."""
        delay = self.folder / "seconds"
        delay.write_text(str(seconds))
        text = _SCRIPT.format(
            calls=self.calls, ascend=self.ascend, machine=MACHINE, seconds=f"$(cat {delay})"
        )
        house = self.folder / "house"
        if not house.exists():
            SmallWheelhouse(payloads={TOOLKIT: text}, cell={**CELL, "npu": "a3"}).write(house)
        return house

    def start(self, seconds: float = 0, prefix: str = "npu") -> subprocess.Popen[str]:
        """Start an install."""
        options = ("--json", "--insecure-no-signature", "--payloads", "--ascend", self.ascend)
        words: list[str | Path] = [sys.executable, "-I", self.house(seconds) / "install.py", *options]
        return subprocess.Popen(
            [*words, "--prefix", self.folder / prefix],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def finish(self, *runs: subprocess.Popen[str]) -> None:
        """Wait for installs that must succeed."""
        said = [run.communicate() for run in runs]
        assert [run.returncode for run in runs] == [0] * len(runs), said

    def told(self) -> list[str]:
        """Return what the package's processes wrote."""
        return self.calls.read_text().split() if self.calls.exists() else []


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def wait_for(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_nothing_of_a_package_outlives_the_run_and_the_next_one_installs_it_again(
    node: Node, number: signal.Signals
) -> None:
    first = node.start(seconds=3)
    wait_for(lambda: node.told() == ["begun"])
    os.kill(first.pid, number)
    told, _ = first.communicate()
    assert ("may be there by half" in told) == (number == signal.SIGTERM)
    time.sleep(4)
    assert node.told() == ["begun"]
    node.finish(node.start())
    assert node.told() == ["begun", "begun", "written"]
    node.finish(node.start(prefix="other"))
    assert node.told() == ["begun", "begun", "written"]


def test_of_two_runs_with_one_folder_of_cann_the_second_waits_and_finds_all_there(node: Node) -> None:
    node.finish(*[node.start(seconds=3, prefix=name) for name in ("npu", "other")])
    assert node.told() == ["begun", "written"]


def test_a_toolkit_that_was_removed_since_is_installed_again(node: Node) -> None:
    node.finish(node.start())
    shutil.rmtree(node.ascend / "ascend-toolkit")
    node.finish(node.start())
    assert node.told() == ["begun", "written"] * 2
