"""What this machine has of Ascend: devices, the CANN toolkit of the cell, and the scripts that set its variables."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from ..seen import is_file, matching
from . import software
from .toolkits import Toolkit, numbers, search

_COMPILER_INSIDE = numbers("8.5.0.alpha")
"""From this CANN on triton's compiler is part of it; before, it is BiSheng's own package."""

NNAL_SCRIPT = "nnal/atb/set_env.sh"
"""What sets NNAL's variables, below the folder of CANN."""

NO_NPU = "no NPU here (/dev/davinci0 is missing): run this on an Atlas node whose driver is loaded"
NO_CANN = (
    "no CANN here (ASCEND_HOME_PATH is not set and no set_env.sh is below /usr/local/Ascend or ~/Ascend): "
    "install the toolkit, kernels and NNAL .run files of the cell, or name their folder: --ascend DIR"
)


@dataclass(frozen=True, kw_only=True)
class Ascend:
    """The machine's Ascend side.

    Args:
        devices: How many `/dev/davinciN` there are.
        toolkit: The toolkit's folder, or empty.
        scripts: The files that set its variables, in the order in which they are to be sourced.
        software: What tells that the NPUs are software, or empty.
        root: The folder that holds CANN and NNAL, as the processes see it that use them.
        version: The toolkit's version, or empty.
        outside: The folder that stands for `/` where those processes run, as seen from here.
        hidden: How many of the devices ASCEND_RT_VISIBLE_DEVICES keeps from those processes.
    """

    devices: int
    toolkit: str
    scripts: tuple[str, ...]
    software: str = ""
    root: str = ""
    version: str = ""
    outside: str = "/"
    hidden: int = 0

    @property
    def visible(self) -> int:
        """How many devices those processes see."""
        return self.devices - self.hidden

    @property
    def real(self) -> bool:
        """Whether there are NPUs, and a driver behind them."""
        return bool(self.devices) and not self.software


def look(
    wanted: str = "", *, named: str = "", recorded: str = "", environment: Mapping[str, str] | None = None
) -> Ascend:
    """Read what is there; nothing is started.

    Args:
        wanted: The CANN that the cell names, such as `8.3.RC2`.
        named: The folder of CANN that a person named.
        recorded: The folder of CANN that the install was told.
        environment: Variables; those of this process when None.

    Raises:
        SeveralToolkitsError: There are several and none is the cell's.
    """
    place = search(named, recorded, environment)
    chosen = place.chosen(wanted)
    devices = sum(1 for path in Path("/dev").glob("davinci*") if path.name[7:].isdigit())
    home = str(chosen.home) if chosen else ""
    return Ascend(
        devices=devices,
        toolkit=home,
        scripts=tuple(map(str, scripts(place.root, chosen))) if chosen else (),
        software=software.sign(home),
        root=str(place.root),
        version=chosen.version if chosen else "",
        hidden=hidden(devices, os.environ if environment is None else environment),
    )


def hidden(devices: int, variables: Mapping[str, str]) -> int:
    """Return how many of the devices are not named by ASCEND_RT_VISIBLE_DEVICES, which counts from 0.

    Its list ends at the first word that is not the number of a device; unset or empty it hides none. Source:
    hiascend.com, CANN commercial 9.0.0, maintenref/envvar/envref_07_0028.
    """
    named = variables.get("ASCEND_RT_VISIBLE_DEVICES", "").split(",")
    words = takewhile(lambda word: word.isascii() and word.isdigit() and int(word) < devices, named)
    return devices - len(set(words)) if named != [""] else 0


def scripts(root: Path, toolkit: Toolkit) -> list[Path]:
    """Return what sets the variables of a toolkit and of what belongs to it, in upstream's order.

    The toolkit, the compiler, NNAL, the custom operators. Sources: the entry points of Ascend/cann-container-image,
    cann/8.5.0-a3-ubuntu22.04-py3.11/Dockerfile@5a68fc2 (toolkit, ascendnpu-ir, NNAL), SGLang's installation guide for
    Ascend (BiSheng's package for CANN 8.3) and its scripts/ci/npu/npu_ci_install_dependency.sh@00dfc4c (operators).
    """
    nnal = root / NNAL_SCRIPT
    found = [path for path in (toolkit.script, *_compiler(root, toolkit), nnal) if is_file(path)]
    return found + matching(toolkit.home, "opp/vendors/*/bin/set_env.bash")


def _compiler(root: Path, toolkit: Toolkit) -> Iterator[Path]:
    inside = toolkit.home / "share/info/ascendnpu-ir/bin/set_env.sh"
    if is_file(inside):
        yield inside
    elif not toolkit.version or numbers(toolkit.version) < _COMPILER_INSIDE:
        packages = matching(root, "*/bisheng_toolkit/set_env.sh")
        yield from sorted(packages, key=lambda path: numbers(path.parents[1].name))[-1:]
