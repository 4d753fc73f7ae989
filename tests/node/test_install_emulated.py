"""The whole 2.8.0 wheelhouse, installed by its own `install.py` in a system root of its own machine, emulated.

Nothing of this host is inside but the wheelhouse: Debian's Python and dash for aarch64, no pip, no network.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from emulated_rig import MACHINE, emulated, run_inside

from ascend_wheelhouse.verify.emulation import WORK

ROOT = Path(__file__).parents[2]
PREFIX = f"{WORK}/npu"

pytestmark = [
    *emulated,
    pytest.mark.skipif("WHEELHOUSE_LONG_TESTS" not in os.environ, reason="minutes of CPU: nox -s foreign"),
]


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Path]:
    """The folder that is seen inside; 3 GB, so it does not stay."""
    folder = tmp_path / "work"
    folder.mkdir()
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def house(work: Path) -> Path:
    """The wheelhouse, made from its committed lock."""
    words = ["wheelhouse", "--torch", "2.8.0", "--platform", MACHINE, "--output", str(work), "--no-audit"]
    made = subprocess.run(
        [sys.executable, "-m", "invoke", *words],
        cwd=ROOT,
        env={**os.environ, "CI": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stdout + made.stderr
    return next(work.glob(f"*-{MACHINE}"))


def test_the_aarch64_wheelhouse_is_installed_checked_and_used_on_its_own_machine(
    work: Path, house: Path
) -> None:
    wheels = sum(1 for _ in (house / "wheels").glob("*.whl"))
    installer = ("/usr/bin/python3.11", f"{WORK}/{house.name}/install.py", "--json")

    installed = json.loads(run_inside(work, *installer, "--prefix", PREFIX, "--insecure-no-signature"))
    assert (installed["changed"], installed["cell"]["machine"]) == (True, MACHINE)
    receipt = json.loads((work / "npu/envs/0001/receipt.json").read_text())
    assert (len(receipt["distributions"]), receipt["installer"][:5]) == (wheels, "uv of")

    checked = json.loads(run_inside(work, *installer, "--prefix", PREFIX, "--check"))
    assert (checked["changed"], checked["stack"]) == (False, installed["stack"])

    code = (
        "import os, platform, numpy; print(platform.machine(), numpy.eye(2).sum(), os.environ['LD_PRELOAD'])"
    )
    said = run_inside(work, "/bin/sh", "-euc", f'. {PREFIX}/activate; exec python -c "{code}"').split()
    assert said[:2] == [MACHINE, "2.0"]
    assert said[2].startswith(f"{PREFIX}/envs/0001/")
