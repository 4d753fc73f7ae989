"""Is this node set up for SGLang on Ascend? The guide's system settings, and what else is known to matter.

`--fix` sets what can be set and makes it last through a reboot. Source of the three settings: SGLang's
install guide for Ascend; of the rest: its container arguments and known failures.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..errors import WheelhouseError
from ..reading.contents import Contents, read_contents
from ..talk import Talk
from .fitness import HostFinding, Level, cell_findings, disk_finding
from .host import DEVICES, Host, read_host
from .tuning import SETTINGS, apply

_GIB = 1 << 30
_SHARED_MEMORY = 16 * _GIB
_ENVIRONMENT_SIZE = 6 * _GIB


def examine(host: Host, contents: Contents | None = None) -> list[HostFinding]:
    """Look at the whole node; a wheelhouse's cell sharpens what is wanted."""
    cell = contents.cell if contents else {}
    return [
        *cell_findings(host, cell),
        *_devices(host, cell.get("npu", host.chip or "")),
        _governor(host),
        *(_setting(host, name) for name in SETTINGS),
        _shared_memory(host),
        _locked_memory(host),
        _memory_layout(host),
        _firmware(host),
        *_openmp(host),
        disk_finding(host.root, _ENVIRONMENT_SIZE),
    ]


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
        command="invoke run-args" if host.chip else "lspci -n -d 19e5:",
    )
    yield HostFinding(
        name="device managers",
        found=", ".join(host.managers) or "none",
        wanted="davinci_manager, hisi_hdc",
        level=_judged(len(host.managers) == len(("davinci_manager", "hisi_hdc"))),
        why="The runtime opens both before the first device.",
        command="systemctl status davinci_manager; ls -l /dev/davinci_manager /dev/hisi_hdc",
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
        level=_judged(found in (wanted, None)),
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
        why="The processes of one server hand tensors over there.",
        command="sudo mount -o remount,size=16G /dev/shm, or --shm-size=16g for a container",
    )


def _locked_memory(host: Host) -> HostFinding:
    limit = host.locked_memory
    return HostFinding(
        name="locked memory",
        found="unlimited" if limit == -1 else f"{(limit or 0) // 1024} KiB",
        wanted="unlimited",
        level=_judged(limit == -1),
        why="RDMA and the key-value transfer pin their buffers.",
        command="ulimit -l unlimited; --fix writes it for the next login",
        fix="limits",
    )


def _memory_layout(host: Host) -> HostFinding:
    pages = "unknown" if host.huge_pages is None else str(host.huge_pages)
    return HostFinding(
        name="memory layout",
        found=f"{host.numa_nodes} NUMA node(s), {pages} huge pages",
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
        command="./Ascend-hdk-*-npu-firmware_*.run --full --quiet",
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
        command="install the system's libgomp (libgomp1)",
    )


def report(findings: Sequence[HostFinding], changes: Sequence[str], talk: Talk) -> int:
    """Print findings and changes; return 10 where one refuses, else 0."""
    lines = [finding.line() for finding in findings] + [f"FIXED  {change}" for change in changes]
    facts = {"findings": [finding.as_dict() for finding in findings], "changes": list(changes)}
    talk.answer("\n".join(lines), facts | {"changed": bool(changes)})
    return 10 if any(finding.level == "refuse" for finding in findings) else 0


def check(root: Path, ascend: str, contents: Contents | None, *, fix: bool, talk: Talk) -> int:
    """Examine the node below `root`, fix it where asked, and print what was found."""
    host = read_host(root, ascend)
    findings = examine(host, contents)
    changes: list[str] = []
    if fix:
        changes = apply(root, {finding.fix for finding in findings if finding.fix})
        findings = examine(read_host(root, ascend), contents)
    return report(findings, changes, talk)


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
        contents = read_contents(options.manifest.read_bytes()) if options.manifest else None
        return check(options.root, options.ascend, contents, fix=options.fix, talk=talk)
    except WheelhouseError as error:
        return talk.fail(error)
