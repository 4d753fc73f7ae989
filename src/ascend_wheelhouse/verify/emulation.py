"""Runs another architecture's programs here: qemu in user mode (`base/qemu.py`), a chroot, no root rights.

The program under test is never PID 1 of its namespace: a crash of PID 1 would hang for
ever, so a shell stays there.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ascend_wheelhouse.base import qemu
from ascend_wheelhouse.base.errors import HostUnfitError
from ascend_wheelhouse.cells.toolchains import ARCHITECTURES
from ascend_wheelhouse.node.verify import sealed
from ascend_wheelhouse.verify.found import FoundWheelhouse
from ascend_wheelhouse.verify.system_root import RECOMMENDED, system_root

WORK = "/verify"
"""Where the run's folder is seen inside."""

_PATIENCE = 5.0
_ENTER = f"""\
set -eu
{qemu.REGISTER}
root=$2 work=$3 python=$4 sealed=$5; shift 5
"$python" -I -c 'import runpy, sys; runpy.run_path(sys.argv[1])["raise_loopback"]()' "$sealed" || :
mount --bind "$root" "$root"
mount --rbind /proc "$root/proc"
mount --rbind /sys "$root/sys"
for device in null zero random urandom; do mount --bind "/dev/$device" "$root/dev/$device"; done
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount --bind "$work" "$root{WORK}"
mount -o remount,bind,ro "$root"
status=0
"$@" || status=$?
exit "$status"
"""


class EmulationMissingError(HostUnfitError):
    """This host cannot run the other architecture's programs; the text names the packages that would let it."""


@dataclass(frozen=True, kw_only=True)
class Need:
    """One thing that emulation takes.

    Args:
        name: What it is.
        package: The Debian package that brings it, or empty.
        present: Whether it is here.
        required: Whether nothing works without it.
        why: What it is for, or why it is refused.
    """

    name: str
    package: str
    present: bool
    required: bool
    why: str


@dataclass(frozen=True, kw_only=True)
class EmulatedLauncher:
    """Starts commands inside a system root of the other architecture.

    Args:
        machine: The architecture that is emulated.
        root: Its system root, as seen from here.
        work: The run's folder, seen inside as `WORK`.
    """

    machine: str
    root: Path
    work: Path
    emulated: bool = True
    sealed: bool = True
    patience: float = _PATIENCE

    def inside(self, path: Path) -> str:
        """Return a path of the run's folder as seen inside; others are returned unchanged."""
        if path.is_relative_to(self.work):
            return str(WORK / path.relative_to(self.work))
        return str(path)

    def command(self, words: Sequence[str], environment: Mapping[str, str], *, network: bool) -> list[str]:
        """Return the words that enter the namespace, the root and the command, in that order."""
        pairs = [f"{name}={value}" for name, value in sorted(environment.items())]
        return [
            *qemu.NAMESPACE,
            *([] if network else ["--net"]),
            *("sh", "-c", _ENTER, "enter", qemu.registration(self.machine), str(self.root), str(self.work)),
            *(sys.executable, str(Path(sealed.__file__))),
            *("env", "-i", *pairs, _chroot(), str(self.root), *words),
        ]


def _chroot() -> str:
    """Return chroot's path: it stands in a folder that an ordinary user's path may lack."""
    return shutil.which("chroot", path=sealed.SYSTEM_PATH) or "chroot"


def launcher(wheelhouse: FoundWheelhouse, work: Path, store: Path) -> EmulatedLauncher:
    """Return the launcher for a wheelhouse of another machine; its system root is made on first use.

    Raises:
        EmulationMissingError: Something that it takes is not here.
    """
    missing = [need for need in needs(wheelhouse.machine) if need.required and not need.present]
    if missing:
        packages = " ".join(sorted({need.package for need in missing if need.package}))
        raise EmulationMissingError(
            f"This host lacks what runs {wheelhouse.machine} programs: {_names(missing)}.",
            why="; ".join(f"{need.name}: {need.why}" for need in missing),
            next_step=f"apt install {packages}"
            if packages
            else "run `nox -s verify` on a host of that architecture",
        )
    root = system_root(wheelhouse.machine, wheelhouse.python, store)
    return EmulatedLauncher(machine=wheelhouse.machine, root=root, work=work)


def _names(missing: Sequence[Need]) -> str:
    return ", ".join(need.name for need in missing)


def needs(machine: str) -> list[Need]:
    """Return what emulating a machine takes and whether it is here."""
    tools = [
        Need(
            name=tool,
            package=package,
            present=shutil.which(tool) is not None,
            required=True,
            why=why,
        )
        for tool, package, why in (
            (f"qemu-{machine}-static", "qemu-user-static", "runs the other architecture's instructions"),
            ("unshare", "util-linux", "makes the namespaces"),
            ("apt-get", "apt", "fetches the system root's packages"),
            ("dpkg-deb", "dpkg", "unpacks them"),
        )
    ]
    refusal = qemu.refusal(machine) if qemu.qemu(machine) and tools[1].present else "not tried"
    compiler = f"{machine}-linux-gnu-gcc"
    return [
        *tools,
        Need(
            name="private binfmt_misc",
            package="",
            present=not refusal,
            required=True,
            why=refusal or "registers qemu for one process tree, since Linux 6.7",
        ),
        Need(
            name=compiler,
            package=RECOMMENDED[machine],
            present=shutil.which(compiler) is not None,
            required=False,
            why="makes the stand-in CANN libraries; without it the probes that import torch_npu are skipped",
        ),
    ]


def known_machines() -> list[str]:
    """Return the machines that can be emulated."""
    return sorted(ARCHITECTURES)
