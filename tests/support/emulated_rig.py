"""Commands in a system root of aarch64, emulated: nothing of this host is inside but one folder, and no network."""

from __future__ import annotations

import platform
import subprocess
from pathlib import Path

import pytest

from ascend_wheelhouse.node.verify.sealed import base_environment
from ascend_wheelhouse.store.root import default_root
from ascend_wheelhouse.verify import emulation
from ascend_wheelhouse.verify.system_root import system_root

MACHINE = "aarch64"
MISSING = [need.name for need in emulation.needs(MACHINE) if need.required and not need.present]
emulated = [
    pytest.mark.slow,
    pytest.mark.network,
    pytest.mark.skipif(platform.machine() == MACHINE, reason="this machine needs no emulation"),
    pytest.mark.skipif(bool(MISSING), reason=f"invoke doctor --emulation: {', '.join(MISSING)} missing"),
]
"""The marks of a module whose tests run there."""


def run_inside(work: Path, *words: str) -> str:
    """Run a command in the root, cut off from the network, and return what it printed; `work` is seen as `WORK`."""
    root = system_root(MACHINE, "3.11", default_root())
    launcher = emulation.EmulatedLauncher(machine=MACHINE, root=root, work=work)
    environment = base_environment(Path("/tmp"), Path("/tmp"))  # noqa: S108 - the private one inside
    command = launcher.command(words, environment, network=False)
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=1200)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
