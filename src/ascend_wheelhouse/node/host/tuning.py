"""Setting a node up so that it stays set: kernel settings, the scaling governor and the locked-memory limit.

Each change is made now and written where the system reads it at boot: `sysctl.d`, a systemd unit for the
governor (the kernel offers no file for it), `limits.d`. Only what differs is written, so a second run changes
nothing.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from pathlib import Path

from ..errors import HostUnfitError
from ..seen import is_file, is_folder, is_there
from . import pythons
from .host import governor_files

SETTINGS = {
    "kernel.numa_balancing": ("0", "Moving pages between NUMA nodes stalls the server's processes."),
    "vm.swappiness": ("10", "Swapping out the server's memory stops it for seconds."),
}
_SYSCTL = "etc/sysctl.d/90-sglang-npu.conf"
_LIMITS = "etc/security/limits.d/90-sglang-npu.conf"
_UNIT = "etc/systemd/system/sglang-npu-governor.service"
_WANTS = "etc/systemd/system/multi-user.target.wants/sglang-npu-governor.service"
_UNIT_TEXT = """\
[Unit]
Description=CPU scaling governor "performance" for SGLang on Ascend NPUs
ConditionPathExists=/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c 'for file in /sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_governor; \
do echo performance > "$file"; done'

[Install]
WantedBy=multi-user.target
"""
_LIMITS_TEXT = "".join(
    f"{who} {which} memlock unlimited\n" for who in ("*", "root") for which in ("soft", "hard")
)
"""`*` is not for root, who has to be named. Source: limits.conf(5) of Debian and Ubuntu."""


class RootNeededError(HostUnfitError):
    """System settings may be changed by root only."""


def apply(root: Path, fixes: Collection[str]) -> list[str]:
    """Make the named changes below `root` and return one line for each file that was written.

    Raises:
        RootNeededError: The user may not write one of them.
    """
    known: dict[str, Callable[[Path], Iterator[str]]] = {
        "sysctl": _sysctl,
        "governor": _governor,
        "limits": _limits,
    }
    try:
        changes = [line for name in sorted(fixes) for line in known[name](root)]
    except PermissionError as error:
        raise RootNeededError(
            f"You may not write {error.filename}.",
            why="System settings belong to root.",
            next_step=f"sudo {pythons.PROGRAM} -I install.py --doctor --fix",
        ) from error
    if changes and root == Path("/"):
        _reload()
    return changes


def _write(path: Path, text: str) -> bool:
    """Write a file, whole or not at all: the next boot may come at any time."""
    if is_file(path) and path.read_text(errors="replace").strip() == text.strip():
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    place = Path(os.path.realpath(path))
    part = place.with_name(f".{place.name}.part")  # no folder of settings reads what ends so
    try:
        part.write_text(text)
        part.replace(place)
    except OSError as error:
        error.filename, error.filename2 = str(path), None
        with suppress(OSError):
            part.unlink()
        raise
    return True


def _set_now(path: Path, value: str) -> bool:
    if not is_there(path) or path.read_text(errors="replace").strip() == value:
        return False
    path.write_text(f"{value}\n")
    return True


def serves(name: str, found: str) -> bool:
    """Tell whether a kernel setting is as wanted, or less where less is wanted: SGLang's pages set swappiness to 0."""
    wanted = SETTINGS[name][0]
    return found == wanted or (name == "vm.swappiness" and found.isdecimal() and int(found) < int(wanted))


def _sysctl(root: Path) -> Iterator[str]:
    """What the next boot reads comes first: once a setting holds, no later run looks at its file."""
    values = {name: wanted for name, (wanted, _) in SETTINGS.items()}
    for name in values:
        file = _kernel_file(root, name)
        if is_there(file) and serves(name, held := file.read_text().strip()):
            values[name] = held
    text = "".join(f"{name} = {value}\n" for name, value in values.items())
    if _write(root / _SYSCTL, text):
        yield f"/{_SYSCTL}"
    for name, value in values.items():
        if _set_now(_kernel_file(root, name), value):
            yield f"{name}={value}"


def _kernel_file(root: Path, name: str) -> Path:
    return root / "proc/sys" / name.replace(".", "/")


def _governor(root: Path) -> Iterator[str]:
    files = governor_files(root)
    if files and _write(root / _UNIT, _UNIT_TEXT):
        yield f"/{_UNIT}"
    link = root / _WANTS
    if files and not link.is_symlink():
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(os.path.relpath(root / _UNIT, link.parent))
        yield f"/{_WANTS}"
    set_now = [path for path in files if _set_now(path, "performance")]
    if set_now:
        yield f"governor performance on {len(set_now)} processor(s)"


def _limits(root: Path) -> Iterator[str]:
    if _write(root / _LIMITS, _LIMITS_TEXT):
        yield f"/{_LIMITS}"


def _reload() -> None:
    if is_folder(Path("/run/systemd/system")):
        subprocess.run(["systemctl", "daemon-reload"], check=False, capture_output=True)
