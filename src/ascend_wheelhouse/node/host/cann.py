"""What this machine has of Ascend: devices, the CANN toolkit, and the environment that its scripts set."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from . import software

TOOLKIT_SCRIPTS = (
    "/usr/local/Ascend/ascend-toolkit/set_env.sh",
    "/usr/local/Ascend/cann/set_env.sh",
    "~/Ascend/ascend-toolkit/set_env.sh",
    "~/Ascend/cann/set_env.sh",
)
ATB_SCRIPTS = ("/usr/local/Ascend/nnal/atb/set_env.sh", "~/Ascend/nnal/atb/set_env.sh")
KEPT = (
    "ASCEND",
    "ATB",
    "HCCL",
    "LD_LIBRARY_PATH",
    "PATH",
    "TOOLCHAIN_HOME",
    "TRITON_NPU",
    "NPU_",
    "CPLUS_INCLUDE",
)

NO_NPU = "no NPU here (/dev/davinci0 is missing): run this on an Atlas node whose driver is loaded"
NO_CANN = (
    "no CANN here (ASCEND_HOME_PATH is not set and no set_env.sh is below /usr/local/Ascend or ~/Ascend): "
    "install the toolkit, kernels and NNAL .run files of the cell"
)


@dataclass(frozen=True, kw_only=True)
class Ascend:
    """The machine's Ascend side.

    Args:
        devices: How many `/dev/davinciN` there are.
        toolkit: The toolkit's folder, or empty.
        scripts: The `set_env.sh` files in the order in which they are to be sourced.
        software: What tells that the NPUs are software, or empty.
    """

    devices: int
    toolkit: str
    scripts: tuple[str, ...]
    software: str = ""

    @property
    def real(self) -> bool:
        """Whether there are NPUs, and a driver behind them."""
        return bool(self.devices) and not self.software


def look(environment: Mapping[str, str] | None = None) -> Ascend:
    """Read what is there; nothing is started."""
    given = os.environ if environment is None else environment
    devices = sum(1 for path in Path("/dev").glob("davinci*") if path.name[7:].isdigit())
    scripts = [first for names in (TOOLKIT_SCRIPTS, ATB_SCRIPTS) if (first := _first(names))]
    toolkit = given.get("ASCEND_HOME_PATH", "")
    if not toolkit and scripts and "atb" not in scripts[0]:
        toolkit = str(Path(scripts[0]).parent)
    return Ascend(devices=devices, toolkit=toolkit, scripts=tuple(scripts), software=software.sign(toolkit))


def _first(names: tuple[str, ...]) -> str:
    return next((str(path) for name in names if (path := Path(name).expanduser()).is_file()), "")


def runtime_environment(found: Ascend, python: Path) -> dict[str, str]:
    """Return the variables that CANN's scripts set, with the environment's `python` first on the path.

    NNAL's script looks at the torch that `python` imports to choose its C++ ABI, so it is sourced last and
    with that `python` in front. Variables that the person's shell already has are kept.
    """
    inherited = {name: value for name, value in os.environ.items() if name.startswith(KEPT)}
    inherited["PATH"] = f"{python.parent}:{inherited.get('PATH', '/usr/bin:/bin')}"
    if not found.scripts:
        return inherited
    sourced = "; ".join(f". {shlex.quote(script)} >/dev/null 2>&1" for script in found.scripts)
    done = subprocess.run(
        ["bash", "-c", f"{sourced}; env -0"],
        cwd="/",  # NNAL's script has a Python import torch, which must not be one of the folder we stand in
        env={**inherited, "HOME": os.environ.get("HOME", "/")},
        capture_output=True,
        check=False,
    )
    pairs = (item.decode("utf-8", "replace").partition("=") for item in done.stdout.split(b"\0") if item)
    return {name: value for name, _, value in pairs if name.startswith(KEPT)} or inherited
