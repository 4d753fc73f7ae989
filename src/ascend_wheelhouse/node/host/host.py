"""Facts of a node, read from files below a root folder, so that a test can show a made-up node.

Sources of the facts: CANN's `ascend_toolkit_install.info` and NNAL's, the driver's and the firmware's
`version.info`; PCI 19e5:d802 is the 910B of Atlas A2, 19e5:d803 the 910C of Atlas A3; the kernel's own files
for the rest.
"""

from __future__ import annotations

import os
import platform
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from ..seen import is_folder, is_there, matching
from . import toolkits

_CHIPS = {"0xd802": "910b", "0xd803": "a3"}
DEVICES = {"a3": 16, "910b": 8}
_NNAL = ("nnal/atb/latest/version.info",)
_KIB = 1024


@dataclass(frozen=True, kw_only=True)
class Host:
    """What a node is and has; sizes in bytes, None for what is not there or cannot be read.

    Args:
        root: The folder that stands for `/`.
        ascend: The folder that holds CANN and NNAL.
        machine: `aarch64`, `x86_64`, ...
        python: The running Python's `(major, minor)`.
        glibc: `(major, minor)`.
        cann: The version of the toolkit that the cell names, or of the only one there is.
        canns: The versions of all toolkits that stand there.
        nnal: NNAL's version.
        driver: The NPU driver's version.
        firmware: The NPU firmware's version.
        chip: `a3`, `910b` or None.
        devices: How many `/dev/davinciN` there are.
        managers: Which of `davinci_manager` and `hisi_hdc` are there.
        governors: The scaling governors in use.
        numa_nodes: How many memory nodes.
        huge_pages: Reserved huge pages.
        transparent_pages: When the kernel makes huge pages by itself: `always`, `madvise` or `never`.
        shared_memory: The size of `/dev/shm`.
        locked_memory: The soft limit; -1 for unlimited.
        lockable_memory: The hard limit, up to which a user may raise it; -1 for unlimited.
        openmp: `libgomp.so.1` of the system.
    """

    root: Path
    ascend: Path
    machine: str
    python: tuple[int, int]
    glibc: tuple[int, int] | None
    cann: str | None
    canns: tuple[str, ...]
    nnal: str | None
    driver: str | None
    firmware: str | None
    chip: str | None
    devices: int
    managers: tuple[str, ...]
    governors: tuple[str, ...]
    numa_nodes: int
    huge_pages: int | None
    transparent_pages: str | None
    shared_memory: int | None
    locked_memory: int | None
    lockable_memory: int | None
    openmp: str | None

    def setting(self, name: str) -> str | None:
        """Return a kernel setting such as `vm.swappiness`."""
        return _text(self.root / "proc/sys" / name.replace(".", "/"))


def read_host(root: Path = Path("/"), ascend: str = "", *, wanted: str = "", recorded: str = "") -> Host:
    """Read the facts below `root`.

    Args:
        root: The folder that stands for `/`.
        ascend: The folder of CANN where it is not the usual one.
        wanted: The CANN that the cell names: which toolkit is told of where there are several.
        recorded: The folder of CANN that an install was told.
    """
    place = _place(root, ascend, recorded)
    return Host(
        root=root,
        ascend=place.root,
        machine=platform.machine(),
        python=(sys.version_info.major, sys.version_info.minor),
        glibc=_glibc(),
        cann=_chosen(place, wanted),
        canns=place.versions,
        nnal=_first_version(place.root, _NNAL, "Ascend-cann-atb"),
        driver=_first_version(root / "usr/local/Ascend", ("driver/version.info",), "Version"),
        firmware=_first_version(root / "usr/local/Ascend", ("firmware/version.info",), "Version"),
        chip=npu_chip(root),
        devices=npu_devices(root),
        managers=tuple(name for name in ("davinci_manager", "hisi_hdc") if is_there(root / "dev" / name)),
        governors=_governors(root),
        numa_nodes=len(list((root / "sys/devices/system/node").glob("node[0-9]*"))),
        huge_pages=_huge_pages(root),
        transparent_pages=_transparent_pages(root),
        shared_memory=_file_system_size(root / "dev/shm"),
        locked_memory=_locked_memory(root, 0),
        lockable_memory=_locked_memory(root, 1),
        openmp=_openmp(root),
    )


def _place(root: Path, ascend: str, recorded: str) -> toolkits.AscendFolder:
    if root == Path("/"):
        return toolkits.search(ascend, recorded)
    return toolkits.find(root / (ascend or toolkits.USUAL).lstrip("/"))


def _chosen(place: toolkits.AscendFolder, wanted: str) -> str | None:
    try:
        toolkit = place.chosen(wanted)
    except toolkits.SeveralToolkitsError:
        return None
    return toolkit.version if toolkit and toolkit.version else None


def governor_files(root: Path) -> list[Path]:
    """Return the files that choose each processor's scaling governor."""
    return sorted((root / "sys/devices/system/cpu").glob("cpu[0-9]*/cpufreq/scaling_governor"))


def _text(path: Path) -> str | None:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return None


def _first_version(folder: Path, patterns: tuple[str, ...], key: str) -> str | None:
    for pattern in patterns:
        for path in matching(folder, pattern):
            found = re.search(rf"^\s*{re.escape(key)}\s*[=:]\s*(\S+)", _text(path) or "", re.MULTILINE)
            if found:
                return found[1].strip("[]")
    return None


def _glibc() -> tuple[int, int] | None:
    name, _, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ")
    major, _, minor = version.partition(".")
    return (int(major), int(minor.partition(".")[0])) if name == "glibc" else None


def npu_chip(root: Path = Path("/")) -> str | None:
    """Return the kind of the NPUs below `root`, `a3` or `910b`, by their PCI device numbers; None without any."""
    ids = {_text(path) for path in (root / "sys/bus/pci/devices").glob("*/device")}
    return next((chip for device, chip in _CHIPS.items() if device in ids), None)


def npu_devices(root: Path = Path("/")) -> int:
    """Return how many `/dev/davinciN` there are below `root`."""
    return sum(1 for path in (root / "dev").glob("davinci*") if path.name[7:].isdigit())


def _governors(root: Path) -> tuple[str, ...]:
    return tuple(sorted({_text(path) or "unreadable" for path in governor_files(root)}))


def _huge_pages(root: Path) -> int | None:
    found = re.search(r"^HugePages_Total:\s+([0-9]{1,18})", _text(root / "proc/meminfo") or "", re.MULTILINE)
    return int(found[1]) if found else None


def _transparent_pages(root: Path) -> str | None:
    found = re.search(r"\[(\w+)\]", _text(root / "sys/kernel/mm/transparent_hugepage/enabled") or "")
    return found[1] if found else None


def _file_system_size(folder: Path) -> int | None:
    if not is_folder(folder):
        return None
    status = os.statvfs(folder)
    return status.f_blocks * status.f_frsize


def _locked_memory(root: Path, which: int) -> int | None:
    """Return the soft limit (0) or the hard one (1)."""
    limits = _text(root / "proc/self/limits") or ""
    found = re.search(r"^Max locked memory\s+(\S+)\s+(\S+)", limits, re.MULTILINE)
    if not found:
        return None
    text = found[which + 1]
    return -1 if text == "unlimited" else int(text)


def _openmp(root: Path) -> str | None:
    folders = ("usr/lib64", "usr/lib/aarch64-linux-gnu", "usr/lib/x86_64-linux-gnu", "lib64")
    paths = (Path("/") / folder / "libgomp.so.1" for folder in folders)
    return next((str(path) for path in paths if is_there(root / path.relative_to("/"))), None)
