"""The whole 2.8.0 wheelhouse, installed by its own `install.py` in a system root of its own machine, emulated.

Nothing of this host is inside but the wheelhouse: Debian's Python and dash for aarch64, no pip, no network.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ascend_wheelhouse.node.verify.sealed import base_environment
from ascend_wheelhouse.verify import emulation
from ascend_wheelhouse.verify.prepare import default_store
from ascend_wheelhouse.verify.system_root import system_root

ROOT = Path(__file__).parents[2]
MACHINE = "aarch64"
PREFIX = f"{emulation.WORK}/npu"
MISSING = [need.name for need in emulation.needs(MACHINE) if need.required and not need.present]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.network,
    pytest.mark.skipif(platform.machine() == MACHINE, reason="this machine needs no emulation"),
    pytest.mark.skipif(bool(MISSING), reason=f"invoke doctor --emulation: {', '.join(MISSING)} missing"),
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


def run_inside(work: Path, *words: str) -> str:
    """Run a command in the root, cut off from the network, and return what it printed."""
    root = system_root(MACHINE, "3.11", default_store())
    launcher = emulation.EmulatedLauncher(machine=MACHINE, root=root, work=work)
    environment = base_environment(Path("/tmp"), Path("/tmp"))  # noqa: S108 - the private one inside
    command = launcher.command(words, environment, network=False)
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=1200)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_aarch64_wheelhouse_is_installed_checked_and_used_on_its_own_machine(
    work: Path, house: Path
) -> None:
    wheels = sum(1 for _ in (house / "wheels").glob("*.whl"))
    installer = ("/usr/bin/python3.11", f"{emulation.WORK}/{house.name}/install.py", "--json")

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
