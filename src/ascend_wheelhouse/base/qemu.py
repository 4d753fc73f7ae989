"""Running another machine's programs: qemu in user mode, registered in a private `binfmt_misc`.

Since Linux 6.7 `binfmt_misc` belongs to each user namespace, so an ordinary user registers qemu for one process tree
alone. `F` opens qemu at once: it need not be found inside the root that the programs see.
"""

from __future__ import annotations

import shutil
import subprocess

REGISTER = """\
mount --make-rprivate /
mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc
printf '%s' "$1" > /proc/sys/fs/binfmt_misc/register
"""
"""A script that registers what its first argument says; for a mount namespace of its own."""

NAMESPACE = (
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
"""`e_machine` (System V gABI, elf.h)."""


def qemu(machine: str) -> str:
    """Return the path of the emulator of a machine, or empty."""
    return shutil.which(f"qemu-{machine}-static") or ""


def registration(machine: str) -> str:
    """Return the line that registers qemu for a machine's 64-bit ELF programs (binfmt-misc, kernel documentation)."""
    magic = (
        rf"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x{_ELF_NUMBERS[machine]:02x}\x00"
    )
    mask = r"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff"
    return f":wheelhouse-{machine}:M::{magic}:{mask}:{qemu(machine)}:F"


def refusal(machine: str) -> str:
    """Try to register qemu privately and return the kernel's refusal, or an empty text."""
    words = [*NAMESPACE, "sh", "-c", f"set -eu\n{REGISTER}", "try", registration(machine)]
    done = subprocess.run(words, capture_output=True, text=True, errors="replace", check=False, timeout=30)
    if done.returncode == 0:
        return ""
    said = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]
    return f"refused ({said}); it takes Linux 6.7 and unprivileged user namespaces"
