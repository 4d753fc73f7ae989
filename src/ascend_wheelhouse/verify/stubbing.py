"""Makes the stand-in CANN libraries for an environment, with the C compiler that this host has for it."""

from __future__ import annotations

import platform
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from ascend_wheelhouse.base.errors import VerifyError
from ascend_wheelhouse.node.verify.stubs import COMPILERS, build_stubs, plan_stubs


class StubsFailedError(VerifyError):
    """The stand-in libraries could not be compiled."""


def system_folders(root: Path, machine: str) -> list[Path]:
    """Return where the shared libraries of a system root are."""
    return [
        root / "lib" / f"{machine}-linux-gnu",
        root / "usr" / "lib" / f"{machine}-linux-gnu",
        root / "lib64",
    ]


def compiler(machine: str) -> str:
    """Return a C compiler for the architecture, or an empty text."""
    foreign = machine != platform.machine()
    names = COMPILERS[machine][:1] if foreign else COMPILERS[machine]
    return next((found for name in names if (found := shutil.which(name))), "")


def make(site_packages: Path, folder: Path, machine: str, system: Sequence[Path]) -> bool:
    """Make them; return False where there is no compiler or no torch_npu, so that probes say what to install.

    Raises:
        StubsFailedError: The compiler refused.
    """
    found = compiler(machine)
    plan = plan_stubs(site_packages, system) if found else None
    if plan is None:
        return False
    try:
        build_stubs(plan, folder, found)
    except subprocess.CalledProcessError as error:
        raise StubsFailedError(
            "The stand-in CANN libraries do not compile.",
            why=str(error.stderr).strip()[-600:],
            next_step=f"try {found} by hand on a one-line shared library",
        ) from error
    return True
