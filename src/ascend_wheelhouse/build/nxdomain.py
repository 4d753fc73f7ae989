"""The first process of a sealed build: it refuses every name lookup and writes the name down.

It runs as a script, with the standard library alone, as root of a fresh user and network namespace whose
only interface is the loopback. A program in the sandbox that looks a name up therefore fails at once, and
the error that the user sees can say which host was asked for. It also sets what a child inherits: umask and
usable cores.
"""

from __future__ import annotations

import argparse
import ctypes
import fcntl
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
from pathlib import Path

_SIOCSIFFLAGS = 0x8914
_IFF_UP_RUNNING = 0x1 | 0x40
_PR_SET_PDEATHSIG = 1
_HEADER = 12
_NXDOMAIN = b"\x81\x83"


def raise_loopback() -> None:
    """Bring `lo` up."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sH14s", b"lo", _IFF_UP_RUNNING, b""))


def question(packet: bytes) -> tuple[str, int]:
    """Return the name that a DNS query asks for and where the question ends (RFC 1035, section 4.1.2)."""
    labels: list[str] = []
    at = _HEADER
    while packet[at]:
        labels.append(packet[at + 1 : at + 1 + packet[at]].decode("ascii", "replace"))
        at += packet[at] + 1
    return ".".join(labels), at + 5


def refuse_names(server: socket.socket, log: Path) -> None:
    """Answer queries for ever; each name is appended to `log`, one a line."""
    while True:
        packet, client = server.recvfrom(4096)
        try:
            name, end = question(packet)
        except IndexError:
            continue
        with log.open("a", encoding="utf-8") as out:
            out.write(f"{name}\n")
        server.sendto(packet[:2] + _NXDOMAIN + packet[4:6] + bytes(6) + packet[_HEADER:end], client)


def main(arguments: list[str]) -> int:
    """Guard one command and return its exit status."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--umask", type=lambda text: int(text, 8), default=0o022)
    parser.add_argument("--cores", type=int, default=0)
    parser.add_argument("command", nargs="+")
    options = parser.parse_args(arguments)
    prctl = ctypes.CDLL(None).prctl

    def die_with_parent() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

    die_with_parent()
    raise_loopback()
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 53))
    threading.Thread(target=refuse_names, args=(server, options.log), daemon=True).start()
    os.umask(options.umask)
    if options.cores:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.cores])
    # between fork and exec it takes no lock, so that the thread does not matter
    status = subprocess.call(options.command, preexec_fn=die_with_parent)
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
