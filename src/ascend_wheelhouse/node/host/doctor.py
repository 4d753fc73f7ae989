"""Is this node set up for SGLang on Ascend? The guide's system settings, and what else is known to matter.

`--fix` sets what can be set and makes it last through a reboot. Source of the three settings: SGLang's
install guide for Ascend; of the rest: its container arguments and known failures.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from .. import documents
from ..errors import WheelhouseError
from ..reading.contents import Contents, read_contents
from ..seen import is_there
from ..talk import Talk
from . import python_release, pythons
from .fitness import PREFIX, HostFinding, Level, cell_findings, disk_finding, free_space, programs_finding
from .host import DEVICES, Host, read_host
from .readiness import ready
from .system import install_command
from .tuning import SETTINGS, apply, serves

_GIB = 1 << 30
_SHARED_MEMORY = 16 * _GIB
_ENVIRONMENT_SIZE = 6 * _GIB
_OWN_PYTHON = "python of the environment"
_FOR_SERVING = ("devices", "device managers", "chip", "driver", "cann", "nnal", "c++ compiler", _OWN_PYTHON)


def examine(
    host: Host, contents: Contents | None = None, *, place: Path | None = None, stands: bool = False
) -> list[HostFinding]:
    """Look at the whole node.

    Args:
        host: The node.
        contents: The wheelhouse whose cell sharpens what is wanted, if any.
        place: Where its environment goes or stands; the disk of the node's root counts when None.
        stands: An environment stands there: that there is no space for another one keeps it from nothing.
    """
    cell = contents.cell if contents else {}
    return [
        *cell_findings(host, cell, contents.packaged() if contents else ()),
        *python_release.findings(cell, contents.node if contents else {}),
        *ready(host, contents),
        *_devices(host, cell.get("npu", host.chip or "")),
        _governor(host),
        *(_setting(host, name) for name in SETTINGS),
        _shared_memory(host),
        _locked_memory(host),
        _memory_layout(host),
        _firmware(host),
        *_openmp(host),
        *([programs_finding(place)] if place else []),
        *([_own_python(place / "current")] if place and stands else []),
        _disk(place or host.root, stands=stands),
    ]


def _disk(place: Path, *, stands: bool) -> HostFinding:
    if stands:
        why = "The next environment is built beside the one in use."
        return free_space("disk", place, _ENVIRONMENT_SIZE, why)
    return disk_finding(place, _ENVIRONMENT_SIZE)


def _judged(good: bool) -> Level:  # noqa: FBT001 - a verdict is what this turns into a level
    return "ok" if good else "warn"


def _devices(host: Host, chip: str) -> Iterator[HostFinding]:
    wanted = DEVICES.get(chip)
    yield HostFinding(
        name="devices",
        found=f"{host.devices} of /dev/davinci*",
        wanted=str(wanted) if wanted else "8 (910b) or 16 (a3)",
        level=_judged(host.devices == wanted if wanted else host.devices in DEVICES.values()),
        why="A container sees only the devices that are mapped into it.",
        command="ls -l /dev/davinci*" if host.chip else "lspci -n -d 19e5:",
    )
    yield HostFinding(
        name="device managers",
        found=", ".join(host.managers) or "none",
        wanted="davinci_manager, hisi_hdc",
        level=_judged(len(host.managers) == len(("davinci_manager", "hisi_hdc"))),
        why="The runtime opens both before the first device; the driver makes them.",
        command="ls -l /dev/davinci_manager /dev/hisi_hdc; lsmod | grep -i drv_",
    )


def _governor(host: Host) -> HostFinding:
    return HostFinding(
        name="cpu governor",
        found=", ".join(host.governors) or "not adjustable",
        wanted="performance",
        level=_judged(set(host.governors) <= {"performance"}),
        why="The default slows the host side of each step.",
        command="echo performance | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor",
        fix="governor",
    )


def _setting(host: Host, name: str) -> HostFinding:
    wanted, why = SETTINGS[name]
    found = host.setting(name)
    return HostFinding(
        name=name,
        found=found if found is not None else "not in this kernel",
        wanted=wanted,
        level=_judged(found is None or serves(name, found)),
        why=why,
        command=f"sudo sysctl -w {name}={wanted}",
        fix="sysctl",
    )


def _shared_memory(host: Host) -> HostFinding:
    size = host.shared_memory
    return HostFinding(
        name="shared memory",
        found=f"{size / _GIB:.1f} GiB" if size is not None else "no /dev/shm",
        wanted=f">= {_SHARED_MEMORY // _GIB} GiB",
        level=_judged((size or 0) >= _SHARED_MEMORY),
        why="The processes of one server hand tensors over there; a container gets its own by --shm-size=16g.",
        command=_shared_memory_command(host.root / "dev/shm"),
    )


def _shared_memory_command(place: Path) -> str:
    """Return what makes it larger; where nothing is mounted it is made, since nothing can be mounted anew."""
    if place.is_mount():
        return "sudo mount -o remount,size=16G /dev/shm"
    made = "" if is_there(place) else "sudo mkdir -p /dev/shm; "
    return f"{made}sudo mount -t tmpfs -o size=16G tmpfs /dev/shm"


def _locked_memory(host: Host) -> HostFinding:
    limit, most = host.locked_memory, host.lockable_memory
    raised = most == -1 and limit != -1
    return HostFinding(
        name="locked memory",
        found=_limit(limit) + (f" (a user may raise it to {_limit(most)})" if limit != most else ""),
        wanted="unlimited",
        level=_judged(limit == -1),
        why="RDMA and the key-value transfer pin their buffers; --fix sets it for the next login.",
        command="ulimit -l unlimited" if raised else f"sudo {pythons.PROGRAM} -I install.py --doctor --fix",
        fix="limits",
    )


def _limit(size: int | None) -> str:
    return "unlimited" if size == -1 else f"{(size or 0) // 1024} KiB"


def _memory_layout(host: Host) -> HostFinding:
    return HostFinding(
        name="memory layout",
        found=f"{host.numa_nodes} NUMA node(s)",
        wanted="as the machine has them",
        level="ok",
        why="Bind each server process to the node of its NPUs.",
        command="numactl --hardware",
    )


def _firmware(host: Host) -> HostFinding:
    return HostFinding(
        name="firmware",
        found=host.firmware or "none",
        wanted="installed with the driver",
        level=_judged(host.firmware is not None),
        why="Firmware and driver of one release belong together.",
        command="sudo sh ./Ascend-hdk-*-npu-firmware_*.run --full --quiet",
    )


def _own_python(env: Path) -> HostFinding:
    return HostFinding(
        name=_OWN_PYTHON,
        found=os.path.realpath(env / pythons.OWN),
        wanted=f"a Python {pythons.made_with(env)} that starts",
        level=_judged(pythons.starts(env)),
        why="The environment was made with it, and starts no other.",
        command=f"{pythons.PROGRAM} -I install.py --prefix {PREFIX} --check",
    )


def _openmp(host: Host) -> Iterator[HostFinding]:
    if host.machine != "aarch64":
        return
    yield HostFinding(
        name="libgomp",
        found=host.openmp or "none",
        wanted="loaded before all else (LD_PRELOAD, done by activate)",
        level=_judged(host.openmp is not None),
        why="Loaded late it fails: cannot allocate memory in static TLS block.",
        command=install_command(host.root, apt="libgomp1", dnf="libgomp"),
    )


def report(
    findings: Sequence[HostFinding], changes: Sequence[str], talk: Talk, due: Sequence[str] = ()
) -> int:
    """Print findings, changes and, of a dry run, what is due; return 10 where one refuses, else 0."""
    lines = [finding.line() for finding in findings] + [f"FIXED  {change}" for change in changes]
    lines += [f"WOULD FIX  {name}, where it differs, now and for the next boot" for name in due]
    facts: dict[str, Any] = {
        "findings": [finding.as_dict() for finding in findings],
        "changes": list(changes),
    }
    facts |= {"would_fix": list(due)} if due else {}
    lines += ["", verdict(findings)]
    talk.answer("\n".join(lines), facts | {"changed": bool(changes), "verdict": verdict(findings)})
    return 10 if any(finding.level == "refuse" for finding in findings) else 0


def verdict(findings: Sequence[HostFinding]) -> str:
    """Say in one line what the node can."""
    refused = [finding.name for finding in findings if finding.level == "refuse"]
    lacking = [
        finding.name for finding in findings if finding.level == "warn" and finding.name in _FOR_SERVING
    ]
    if refused:
        return f"This node cannot run the wheelhouse: {', '.join(refused)}."
    if lacking:
        return f"This node can be installed on; to serve on NPUs it still takes: {', '.join(lacking)}."
    return "This node can serve."


def check(
    root: Path,
    ascend: str,
    contents: Contents | None,
    *,
    fix: bool,
    talk: Talk,
    prefix: Path | None = None,
    dry_run: bool = False,
) -> int:
    """Examine the node below `root`, fix it where asked, and print what was found; commands name `prefix`.

    The disk is that of `prefix`. With `dry_run` nothing is written: what would be fixed is told instead.
    """
    wanted = contents.cell.get("cann", "") if contents else ""
    stands = prefix is not None and is_there(prefix / "current")

    def look() -> list[HostFinding]:
        return examine(read_host(root, ascend, wanted=wanted), contents, place=prefix, stands=stands)

    findings = look()
    changes: list[str] = []
    due = [one.name for one in findings if one.fix] if fix and dry_run else []
    if fix and not dry_run:
        changes = apply(root, {finding.fix for finding in findings if finding.fix})
        findings = look()
    return report([finding.below(prefix) for finding in findings], changes, talk, due)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the doctor from a command line and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="doctor", description="Examine this node for SGLang on Ascend NPUs."
    )
    parser.add_argument(
        "--fix", action="store_true", help="set what can be set, so that it survives a reboot"
    )
    parser.add_argument("--json", action="store_true", help="answer with one JSON object")
    parser.add_argument("--root", type=Path, default=Path("/"), help="the folder that stands for /")
    parser.add_argument("--ascend", default="", help="the folder that holds CANN and NNAL")
    parser.add_argument("--manifest", type=Path, help="compare with this wheelhouse's cell")
    options = parser.parse_args(argv)
    talk = Talk(as_json=options.json)
    try:
        contents = read_contents(documents.bytes_of(options.manifest)) if options.manifest else None
        return check(options.root, options.ascend, contents, fix=options.fix, talk=talk)
    except WheelhouseError as error:
        return talk.fail(error)
