"""A node of software NPUs for one verification: built, packed, installed as a payload, entered.

The stand-in's sources say how it is built and packed (`Makefile`, `package/`); here it is made once for each
state of its sources and each version of CANN, kept in the store, and a node is made of it in a scratch folder.
The verification then runs once more inside that node, as it would on a real one: it looks at `/dev`, at
`/usr/local/Ascend` and at the PCI bus, and nothing tells it what it is on but those.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ascend_wheelhouse.base import process
from ascend_wheelhouse.base.errors import HostUnfitError, UsageError, VerifyError
from ascend_wheelhouse.node.host import software
from ascend_wheelhouse.node.install import activate
from ascend_wheelhouse.node.layout import MANIFEST
from ascend_wheelhouse.node.verify import settings
from ascend_wheelhouse.node.verify.report import Result
from ascend_wheelhouse.verify.found import FoundWheelhouse

ASCEND = Path("/usr/local/Ascend")
PCI_IDS = {"a3": "0xd803", "910b": "0xd802"}
DEVICES = {"a3": 16, "910b": 8}
MEMORY_GIB = 64

_BUILD_SECONDS = 900
_TOOLS = {"make": "make", "makeself": "makeself", "unshare": "util-linux"}


class SoftwareNpuSourcesError(UsageError):
    """The sources of the software NPU are not where they should be, or fit nothing that is asked for."""


class SoftwareNpuUnfitError(HostUnfitError):
    """This host lacks what builds or enters a software node."""


class SoftwareNpuBrokenError(VerifyError):
    """The software NPU does not build, pack or install."""


@dataclass(frozen=True, kw_only=True)
class Node:
    """What a software node is made of.

    Args:
        sources: The stand-in's folder (`tests/standins/cann`).
        chip: `a3` or `910b`.
        cann: The version that its toolkit says it is.
        devices: How many there are; 0 for as many as a node of that chip has.
        memory_gib: The memory of each.
        faults: What is wrong with it, as its own configuration takes it.
        machine: The architecture that its libraries are for.
    """

    sources: Path
    chip: str = "a3"
    cann: str = "9.1.0"
    devices: int = 0
    memory_gib: int = MEMORY_GIB
    faults: str = ""
    machine: str = platform.machine()

    @property
    def compiler(self) -> str:
        """The C++ compiler that makes it."""
        return "g++" if self.machine == platform.machine() else f"{self.machine}-linux-gnu-g++"


def node_for(wheelhouse: FoundWheelhouse, sources: Path) -> Node:
    """Return the node that fits a wheelhouse's cell.

    Raises:
        SoftwareNpuSourcesError: The software NPU is none of the cell's chip.
    """
    cell = wheelhouse.manifest["cell"]
    chip = str(cell.get("npu", "a3"))
    if chip not in PCI_IDS:
        raise SoftwareNpuSourcesError(
            f"The software NPU is no {chip}.",
            why=f"It stands for {' and '.join(PCI_IDS)}, whose PCI ids and numbers of devices upstream states.",
            next_step="`nox -s verify` does all that takes no device",
        )
    return Node(
        sources=sources,
        chip=chip,
        cann=str(cell.get("cann", "9.1.0")),
        machine=wheelhouse.machine,
    )


def packages(node: Node, store: Path) -> Path:
    """Return the folder with the `.run` packages and the driver's tree, made on first use.

    Raises:
        SoftwareNpuSourcesError: The sources are not there.
        SoftwareNpuUnfitError: A tool is missing on this host.
        SoftwareNpuBrokenError: The build failed.
    """
    _require(node)
    place = store / "software-npu" / _digest(node.sources)
    place.mkdir(parents=True, exist_ok=True)
    made = place / f"packages-{node.cann}-{node.machine}"
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.is_dir():
            with tempfile.TemporaryDirectory(dir=place, prefix=".new-") as folder:
                _build(node, place / f"build-{node.machine}", Path(folder) / "packages")
                (Path(folder) / "packages").rename(made)
    return made


def _require(node: Node) -> None:
    if not (node.sources / "Makefile").is_file():
        raise SoftwareNpuSourcesError(
            f"The sources of the software NPU are not at {node.sources}.",
            why="They belong to the project's source tree and are in no package.",
            next_step="--standins tests/standins, from the project's folder",
        )
    if node.chip not in PCI_IDS:
        raise SoftwareNpuSourcesError(
            f"There is no software NPU of the kind {node.chip}; there are {', '.join(PCI_IDS)}.",
            next_step="name a wheelhouse whose cell has one of those",
        )
    compiler = {
        node.compiler: "g++" if node.compiler == "g++" else f"g++-{node.machine.replace('_', '-')}-linux-gnu"
    }
    tools = {**_TOOLS, **compiler}
    missing = sorted({package for tool, package in tools.items() if shutil.which(tool) is None})
    if missing:
        raise SoftwareNpuUnfitError(
            f"This host lacks what makes a software node: {', '.join(missing)}.",
            why="It is compiled, packed as CANN's own packages are, and entered in namespaces.",
            next_step=f"apt install {' '.join(missing)}",
        )


def _digest(sources: Path) -> str:
    found = hashlib.sha256()
    for path in sorted(path for path in sources.rglob("*") if path.is_file() and path.suffix != ".pyc"):
        found.update(f"{path.relative_to(sources)}\0".encode() + path.read_bytes())
    return found.hexdigest()[:16]


def _build(node: Node, build: Path, packed: Path) -> None:
    made = [f"OUT={build}", f"PYTHON={sys.executable}", f"CXX={node.compiler}"]
    pack = node.sources / "package" / "make_packages.sh"
    try:
        process.run(["make", "-s", "-j2", "-C", node.sources, *made], timeout=_BUILD_SECONDS)
        process.run(["sh", pack, build, packed, node.cann, node.machine], timeout=_BUILD_SECONDS)
    except process.CommandFailedError as error:
        raise SoftwareNpuBrokenError(
            "The software NPU does not build.", why=error.tail(), next_step=f"make -C {node.sources}"
        ) from error


def make(node: Node, made: Path, folder: Path) -> Path:
    """Make a node with nothing but its driver in `folder` and return it."""
    ascend = folder / "Ascend"
    ascend.mkdir(parents=True)
    for name in ("driver", "firmware"):
        shutil.copytree(made / name, ascend / name)
    devices = node.devices or DEVICES[node.chip]
    lines = [
        f"chip={node.chip}",
        f"devices={devices}",
        f"memory_gib={node.memory_gib}",
        f"faults={node.faults}",
    ]
    (ascend / "driver" / "software_npu.conf").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "devices").write_text(f"{devices} {PCI_IDS[node.chip]}\n", encoding="utf-8")
    return folder


def entering(node: Node, folder: Path, words: Sequence[str | Path]) -> list[str]:
    """Return the words that run a command on the node in `folder`."""
    return ["sh", str(node.sources / "package" / "enter_node.sh"), str(folder), *map(str, words)]


def install(made: Path, ascend: Path = ASCEND) -> list[str]:
    """Check and install the packages as the node's installer does; return their names. Runs on the node.

    Raises:
        SoftwareNpuBrokenError: One refuses.
    """
    scripts = sorted(made.glob("*.run"), key=lambda path: "toolkit" not in path.name)
    settings = " ".join(f"{ascend / name}/set_env.sh" for name in ("cann", "ascend-toolkit"))
    with_cann = f'for f in {settings}; do if [ -f "$f" ]; then . "$f"; fi; done; exec bash "$@"'
    flags = ["--quiet", "--install", "--install-for-all", f"--install-path={ascend}"]
    try:
        for script in scripts:
            process.run(["bash", script, "--check"])
            process.run(["bash", "-c", with_cann, "install", script, *flags])
    except process.CommandFailedError as error:
        raise SoftwareNpuBrokenError(
            "A package of the software NPU does not install.", why=error.tail()
        ) from error
    return [script.name for script in scripts]


def activated(setting: settings.Setting, packages: Sequence[str]) -> Result:
    """Enter the environment as an operator does, by its `activate`, and ask for the devices. Runs on the node."""
    began = time.monotonic()
    variables = setting.manifest.get("serving", {}).get("environment", {})
    activate.write_entries(setting.environment, variables)
    (setting.environment / MANIFEST).write_text(json.dumps(setting.manifest), encoding="utf-8")
    asking = "import torch; print(torch.npu.device_count())"
    done = process.run(["bash", setting.environment / "run", "python", "-c", asking], check=False)
    counted = done.stdout.split()[-1:] or [""]
    good = done.status == 0 and counted[0] == str(setting.ascend.devices)
    told = f"{counted[0] or 'no'} devices seen" if done.status == 0 else f"status {done.status}"
    return Result(
        probe="payloads",
        verdict="passed" if good else "failed",
        seconds=round(time.monotonic() - began, 2),
        evidence=f"{' and '.join(packages)} installed; activated: {told}, {setting.ascend.devices} in /dev",
        detail="" if good else f"{done.stdout}\n{done.stderr}".strip(),
        markers=("cann", software.WORDS),
    )
