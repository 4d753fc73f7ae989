"""`kill -9` in the middle of an install, at many points."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from small_wheelhouse import SmallWheelhouse, package, run_in, run_installer

MANY = [package(f"filler{number}", "1.0", data__txt="x" * 200_000) for number in range(12)]
VERSION = "import alpha; print(alpha.version)"
KILLED_AT_MOST = 20


def install_and_kill(house: Path, prefix: Path, after: float, *, group: bool) -> bool:
    """Start an install, kill it after some seconds, and tell whether it was still running."""
    command: list[str | Path] = [
        sys.executable,
        house / "install.py",
        "--prefix",
        prefix,
        "--insecure-no-signature",
    ]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as child:
        time.sleep(after)
        running = child.poll() is None
        if running:
            (os.killpg if group else os.kill)(child.pid, signal.SIGKILL)
    return running


def survives(folder: Path, points: int) -> int:
    """Kill that many installs; the old environment must work after each; return how many were running."""
    prefix = folder / "npu"
    old = SmallWheelhouse(wheels=[package("alpha"), *MANY]).write(folder / "old")
    new = SmallWheelhouse(wheels=[package("alpha", "2.0"), *MANY], stack="new").write(folder / "new")
    start = time.monotonic()
    assert run_installer(old, "--prefix", prefix, "--insecure-no-signature").status == 0
    whole = time.monotonic() - start
    chance = random.Random(7)  # noqa: S311 - points, not secrets
    killed = 0
    for number in range(points):
        running = install_and_kill(new, prefix, chance.uniform(0, whole), group=number % 2 == 0)
        killed += running
        assert run_in(prefix, "python", "-c", VERSION) in {"1.0", "2.0"}
        assert run_installer(new, "--prefix", prefix, "--check").status == 0
        answer = run_installer(old, "--prefix", prefix, "--insecure-no-signature")
        assert answer.status == 0, answer.talk
        assert run_in(prefix, "python", "-c", VERSION) == "1.0"
    answer = run_installer(new, "--prefix", prefix, "--insecure-no-signature")
    assert answer.status == 0, answer.talk
    assert run_in(prefix, "python", "-c", VERSION) == "2.0"
    assert run_installer(new, "--prefix", prefix, "--check").status == 0
    assert not (prefix / ".work").exists()
    assert len(list((prefix / "envs").iterdir())) == 2
    return killed


def test_an_install_that_is_killed_leaves_the_old_environment_working(tmp_path: Path) -> None:
    survives(tmp_path, 2)


@pytest.mark.slow
@pytest.mark.skipif("WHEELHOUSE_LONG_TESTS" not in os.environ, reason="a minute: nox -s kills")
def test_twenty_killed_installs_leave_a_working_environment_and_the_next_run_finishes(tmp_path: Path) -> None:
    assert survives(tmp_path, KILLED_AT_MOST) >= KILLED_AT_MOST // 2
