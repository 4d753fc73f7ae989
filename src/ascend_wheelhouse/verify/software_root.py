"""A software node of another machine: the emulator's system root with CANN, a driver and devices in it.

The packages are shell scripts, so they are installed here, on a node of this machine, and what they made is put into
a copy of the system root: nothing but the probes themselves is emulated.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from ascend_wheelhouse.base import process
from ascend_wheelhouse.node.host import cann, software, toolkits
from ascend_wheelhouse.verify import software_node

_INSTALL = (
    "import sys; from pathlib import Path; from ascend_wheelhouse.verify import software_node;"
    " software_node.install(Path(sys.argv[1]))"
)


@dataclass(frozen=True, kw_only=True)
class SoftwareRoot:
    """A system root that is a software node, and what a look around in it finds."""

    root: Path
    ascend: cann.Ascend


def make(node: software_node.Node, made: Path, root: Path, work: Path) -> SoftwareRoot:
    """Make the node of another machine in `work`.

    Args:
        node: What it is.
        made: Its packages.
        root: The emulator's system root, which stays as it is.
        work: A new folder on the same file system is best: files that do not change are linked.

    Raises:
        SoftwareNpuBrokenError: A package refuses.
    """
    place = software_node.make(node, made, work / "node")
    words = software_node.entering(node, place, [sys.executable, "-c", _INSTALL, made])
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise software_node.SoftwareNpuBrokenError(
            "The packages of the software NPU do not install.", why=done.stderr.strip()[-500:]
        )
    copy = work / "root"
    linked = process.run(["cp", "-al", root, copy], check=False)
    if linked.status:
        shutil.rmtree(copy, ignore_errors=True)
        process.run(["cp", "-a", root, copy])
    inside = copy / "usr/local/Ascend"
    inside.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(place / "Ascend", inside, symlinks=True)
    devices = node.devices or software_node.DEVICES[node.chip]
    for number in range(devices):
        (copy / "dev" / f"davinci{number}").write_text(f"{software.WORDS}\n", encoding="ascii")
    return SoftwareRoot(root=copy, ascend=_look(copy, inside, devices))


def _look(root: Path, inside: Path, devices: int) -> cann.Ascend:
    """Return what a look around in the root finds: the scripts by their place here, CANN by its place there."""
    chosen = toolkits.find(inside).chosen("")
    settings = cann.scripts(inside, chosen) if chosen else []
    home = software_node.ASCEND / chosen.home.relative_to(inside) if chosen else Path()
    return cann.Ascend(
        devices=devices,
        toolkit=str(home) if chosen else "",
        scripts=tuple(map(str, settings)),
        software=software.sign(root=root),
        root=str(software_node.ASCEND),
        version=chosen.version if chosen else "",
        outside=str(root),
    )
