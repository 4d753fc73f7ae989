"""The first process of a sealed build: it refuses every name lookup and writes the name down.

It runs as a script, with the standard library alone, as root of a fresh user and network namespace whose
only interface is the loopback. A program in the sandbox that looks a name up therefore fails at once, and
the error that the user sees can say which host was asked for. It also sets what a child inherits: umask and
usable cores.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import select
import signal
import socket
import struct
import sys

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


def refuse_name(server: socket.socket, log: str) -> None:
    """Answer the query that has come; its name is appended to `log`, one a line."""
    packet, client = server.recvfrom(4096)
    try:
        name, end = question(packet)
    except IndexError:
        return
    with open(log, "a", encoding="utf-8") as out:  # noqa: PTH123 - pathlib takes longer to read than all of this
        out.write(f"{name}\n")
    server.sendto(packet[:2] + _NXDOMAIN + packet[4:6] + bytes(6) + packet[_HEADER:end], client)


def start(command: list[str]) -> int:
    """Start a command that dies with this process, and return its number."""
    prctl = ctypes.CDLL(None).prctl
    prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if child := os.fork():
        return child
    try:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores these two, and what it starts would
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        os.execvp(command[0], command)  # noqa: S606 - the sandbox, as an argument list
    except OSError as error:
        sys.stderr.write(f"{command[0]}: {error.strerror}\n")
    os._exit(127)


def main(log: str, umask: str, cores: str, command: list[str]) -> int:
    """Guard one command and return its exit status.

    Args:
        log: Where the names that it asks for are written down.
        umask: What it inherits, octal.
        cores: How many it may use; 0 for all.
        command: The command.
    """
    raise_loopback()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 53))
        os.umask(int(umask, 8))
        if int(cores):
            os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(cores)])
        child = start(command)
        ended = os.pidfd_open(child)
        waiting = select.poll()
        for one in (server.fileno(), ended):
            waiting.register(one, select.POLLIN)
        while ended not in dict(waiting.poll()):
            refuse_name(server, log)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:]))
