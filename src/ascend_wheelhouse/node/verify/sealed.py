"""How a process under test is cut off: an environment made from nothing, and a network of loopback only.

The network namespace needs no root: an ordinary user makes a user namespace first and keeps its own uid in
it. Where the kernel or its policy refuses that, the run goes on without it and the report says so.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 0x1
_IFREQ = "16sH14x"
_SCRIPT = Path(__file__).resolve()


class Launcher(Protocol):
    """Turns the words of a command under test into the words that start it from here."""

    @property
    def emulated(self) -> bool:
        """Whether another architecture's instructions are emulated."""

    @property
    def sealed(self) -> bool:
        """Whether the network is cut off."""

    @property
    def patience(self) -> float:
        """By how much time limits grow."""

    def inside(self, path: Path) -> str:
        """Return the path as the process under test sees it."""

    def command(self, words: Sequence[str], environment: Mapping[str, str], *, network: bool) -> list[str]:
        """Return the words that start it; `network` leaves the host's network in reach."""


@dataclass(frozen=True, kw_only=True)
class NativeLauncher:
    """Runs on this machine as it is; `script` is this very module as a file."""

    sealed: bool
    emulated: bool = False
    patience: float = 1.0
    script: Path = _SCRIPT

    def inside(self, path: Path) -> str:
        """Return the path unchanged."""
        return str(path)

    def command(self, words: Sequence[str], environment: Mapping[str, str], *, network: bool) -> list[str]:
        """Return the words, sealed unless the network is wanted; the caller passes the environment."""
        del environment
        if network or not self.sealed:
            return list(words)
        return [sys.executable, "-I", str(self.script), *words]


def can_seal(script: Path = _SCRIPT) -> bool:
    """Whether this machine lets us make a network namespace; `script` is this very module as a file."""
    words = [sys.executable, "-I", str(script), sys.executable, "-I", "-c", ""]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


def base_environment(home: Path, temporary: Path) -> dict[str, str]:
    """Return the environment that every process under test starts from; nothing of the caller's is in it."""
    return {
        "HOME": str(home),
        "HF_HUB_OFFLINE": "1",
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "LOGNAME": "verify",
        "PATH": SYSTEM_PATH,
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONNOUSERSITE": "1",
        "TMPDIR": str(temporary),
        "TRANSFORMERS_OFFLINE": "1",
        "TZ": "UTC",
        "USER": "verify",
    }


def leave_network() -> None:
    """Enter a network namespace of our own, with loopback up and the same user.

    Raises:
        OSError: The kernel or its policy refuses.
    """
    user, group = os.getuid(), os.getgid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "a user and network namespace was refused")
    Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1", encoding="ascii")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1", encoding="ascii")
    raise_loopback()


def raise_loopback() -> None:
    """Bring `lo` up in the namespace that this process is in."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack(_IFREQ, b"lo", 0)
        _name, flags = struct.unpack(_IFREQ, fcntl.ioctl(control, _SIOCGIFFLAGS, request))
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack(_IFREQ, b"lo", flags | _IFF_UP))


def main(words: list[str]) -> int:
    """Cut this process off and become the command."""
    leave_network()
    os.execvp(words[0], words)  # noqa: S606 - it becomes the command under test


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
