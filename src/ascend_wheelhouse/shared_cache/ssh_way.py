"""The way to a host that is reached through others, as `~/.ssh/config` says: ProxyJump and ProxyCommand.

The command gets one end of a pair of sockets; the library that speaks SSH gets the other, and sees its end at once.
"""

from __future__ import annotations

import re
import shlex
import socket
import subprocess
import tempfile
from collections.abc import Mapping

_NONE = "none"


class SshWay:
    """A command that carries a connection.

    Args:
        command: What the shell is given.
    """

    def __init__(self, command: str) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - read where the connection fails
        self.socket, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                ("/bin/sh", "-c", f"exec {command}"),
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=self._errors,
            )

    def said(self) -> str:
        """Return the last line that the command had to say, empty where it said nothing."""
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        return lines[-1].strip()[:300] if lines else ""

    def end(self) -> None:
        """End the command with the connection."""
        self.socket.close()
        self._process.kill()
        self._process.wait()
        self._errors.close()


def way_to(settings: Mapping[str, object], host: str, port: int, user: str) -> SshWay | None:
    """Return the way to a host by its settings; None where it is reached straight.

    Args:
        settings: What `~/.ssh/config` has of it.
        host: Its address.
        port: Its port.
        user: Who logs in there.
    """
    command = command_of(settings, host, port, user)
    return SshWay(command) if command else None


def command_of(settings: Mapping[str, object], host: str, port: int, user: str) -> str:
    """Return the command that carries a connection, empty where none is asked for; see `way_to`."""
    jumps, command = (str(settings.get(name, _NONE)) for name in ("proxyjump", "proxycommand"))
    if jumps.lower() != _NONE:
        before, _, last = jumps.rpartition(",")
        over = ("-J", before) if before else ()
        target = last if last.startswith("ssh://") else f"ssh://{last}"
        place = f"[{host}]:{port}"
        return shlex.join(("ssh", "-o", "BatchMode=yes", *over, "-W", place, "--", target))
    if command.lower() == _NONE:
        return ""
    words = {"%h": host, "%p": str(port), "%r": user, "%%": "%"}
    return re.sub("%[hpr%]", lambda found: words[found[0]], command)
