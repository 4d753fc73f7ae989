"""Holds one command for the process that wants it, and ends with all of its processes when that one is gone.

`python -I -S guardian.py DESCRIPTOR COMMAND...`. The descriptor is one end of a socket pair whose other end the owner
alone has: the kernel closes that however the owner ends, by `kill -9` too. Every process below is handed to this one
when its parent ends, whatever session it started and whatever environment it has, so that none escapes.
Two numbers of eight bytes are written: the pid of the command, and at its end the status as `subprocess` has it.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import socket
import struct
import sys
import time
from pathlib import Path

NUMBER = struct.Struct("<q")

_PR_SET_CHILD_SUBREAPER = 36
_NOT_STARTED = 127
_LONGEST_PAUSE = 0.5


def main(words: list[str]) -> int:
    """Run the command, and return once no process of it is left and the owner is gone."""
    owner = socket.socket(fileno=int(words[0]))
    owner.set_inheritable(False)
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    ended = _signalled()
    command = _start(words[1:])
    _tell(owner, command)
    _watch(owner, ended, command)
    _end_all()
    return 0


def _signalled() -> socket.socket:
    """Return what can be read from once a child has ended."""
    ours, theirs = socket.socketpair()
    theirs.settimeout(0)
    signal.set_wakeup_fd(theirs.detach(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    return ours


def _start(words: list[str]) -> int:
    """Start the command in a session of its own and return its pid."""
    command = os.fork()
    if command:
        return command
    try:
        for number in (
            signal.SIGPIPE,
            signal.SIGXFSZ,
        ):  # Python ignores them, and what is ignored is inherited
            signal.signal(number, signal.SIG_DFL)
        os.setsid()
        os.execvp(words[0], words)  # noqa: S606 - it becomes the command
    except OSError as error:
        os.write(2, f"{words[0]}: {error.strerror}\n".encode())
    finally:
        os._exit(_NOT_STARTED)


def _tell(owner: socket.socket, number: int) -> None:
    with contextlib.suppress(OSError):  # it is gone, which is seen at the next look
        owner.sendall(NUMBER.pack(number))


def _watch(owner: socket.socket, ended: socket.socket, command: int) -> None:
    """Collect what ends, and return when the owner has closed its end."""
    look = select.poll()
    look.register(owner, select.POLLIN)
    look.register(ended, select.POLLIN)
    while True:
        ready = {number for number, _event in look.poll()}
        if ended.fileno() in ready:
            ended.recv(4096)
            for pid, status in _collected():
                if pid == command:
                    _tell(owner, os.waitstatus_to_exitcode(status))
        if owner.fileno() in ready:
            return


def _collected() -> list[tuple[int, int]]:
    """Return the children that have ended, each with its status."""
    found = []
    with contextlib.suppress(ChildProcessError):
        while (one := os.waitpid(-1, os.WNOHANG))[0]:
            found.append(one)
    return found


def _end_all() -> None:
    """Kill whatever descends from this process until nothing does."""
    pause = 0.01
    while _has_children():
        for pid in _descendants():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)  # one that waits for a device ends when the kernel lets it


def _has_children() -> bool:
    _collected()
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _descendants() -> list[int]:
    """Return the processes below this one, parents before their children."""
    below: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                fields = (entry / "stat").read_bytes().rpartition(b")")[2].split()
                below.setdefault(int(fields[1]), []).append(int(entry.name))
    found = [os.getpid()]
    for pid in found:
        found += below.get(pid, [])
    return found[1:]


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
