"""The simulation of a big farm, at a small size: a real scheduler, workers that build nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_every_step_is_done_once_and_the_figures_follow_from_one_another() -> None:
    script = str(ROOT / "benchmarks/farm_simulation.py")
    words = [sys.executable, script, "--workers", "8", "--steps", "50", "--json"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    (size,) = json.loads(done.stdout)["sizes"]
    assert (size["workers"], size["steps"]) == (8, 50)
    assert 1 < size["used"] <= 8
    assert size["bends_at"] == pytest.approx(8 / size["steps_a_second"])
    assert size["scheduler_cpu"] > 0
    for build, share in size["idle"].items():
        wait = max(size["gap"], size["bends_at"] - float(build))
        assert share == pytest.approx(wait / (float(build) + wait))
    assert 0 < size["idle"]["300"] < size["idle"]["30"] < 1
