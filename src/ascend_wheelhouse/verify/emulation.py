"""Runs another architecture's programs here: qemu in user mode, a private `binfmt_misc`, a chroot, no root rights.

Since Linux 6.7 `binfmt_misc` belongs to each user namespace, so an ordinary user registers qemu for one
process tree alone. The program under test is never PID 1 of its namespace: a crash of PID 1 would hang for
ever, so a shell stays there.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ascend_wheelhouse.base.errors import HostUnfitError
from ascend_wheelhouse.node.verify import sealed
from ascend_wheelhouse.verify.found import FoundWheelhouse
from ascend_wheelhouse.verify.system_root import ARCHITECTURES, RECOMMENDED, system_root

WORK = "/verify"
"""Where the run's folder is seen inside."""

_PATIENCE = 5.0
_NAMESPACE = (
    "unshare",
    "--user",
    "--map-root-user",
    "--mount",
    "--pid",
    "--fork",
    "--kill-child",
    "--mount-proc",
)
_ELF_NUMBERS = {"aarch64": 0xB7, "x86_64": 0x3E}
_REGISTER = """\
mount --make-rprivate /
mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc
printf '%s' "$1" > /proc/sys/fs/binfmt_misc/register
"""
_ENTER = f"""\
set -eu
{_REGISTER}
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
            *_NAMESPACE,
            *([] if network else ["--net"]),
            *("sh", "-c", _ENTER, "enter", _registration(self.machine), str(self.root), str(self.work)),
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
    qemu = _qemu(machine)
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
    refusal = _refusal(machine) if qemu and tools[1].present else "not tried"
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


def _qemu(machine: str) -> str:
    return shutil.which(f"qemu-{machine}-static") or ""


def _registration(machine: str) -> str:
    """Return the line that registers qemu for an architecture's 64-bit ELF programs; `F` opens qemu now."""
    magic = (
        rf"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x{_ELF_NUMBERS[machine]:02x}\x00"
    )
    mask = r"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff"
    return f":verify-{machine}:M::{magic}:{mask}:{_qemu(machine)}:F"


def _refusal(machine: str) -> str:
    """Try to register qemu privately and return the kernel's refusal, or an empty text."""
    words = [*_NAMESPACE, "sh", "-c", f"set -eu\n{_REGISTER}", "try", _registration(machine)]
    done = subprocess.run(words, capture_output=True, text=True, errors="replace", check=False, timeout=30)
    if done.returncode == 0:
        return ""
    said = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]
    return f"refused ({said}); it takes Linux 6.7 and unprivileged user namespaces"


def known_machines() -> list[str]:
    """Return the machines that can be emulated."""
    return sorted(ARCHITECTURES)
