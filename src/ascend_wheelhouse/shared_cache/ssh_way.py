"""What OpenSSH's configuration says of a host, and the way to one that is reached through others.

The command gets one end of a pair of sockets; the library that speaks SSH gets the other, and sees its end at once.
"""

from __future__ import annotations

import os
import pwd
import re
import shlex
import socket
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from ascend_wheelhouse.base.places import at_home
from ascend_wheelhouse.shared_cache.address import Address

_NONE = "none"
_ASK_SECONDS = 20
_READ = {
    "globalknownhostsfile",
    "hostkeyalias",
    "hostname",
    "identityfile",
    "port",
    "proxycommand",
    "proxyjump",
    "user",
    "userknownhostsfile",
}
"""What is read of the settings: ssh_config(5)."""


def settings_of(address: Address) -> Mapping[str, object]:
    """Return the settings of a host, by names in small letters, as `ssh -G` resolves them.

    So `Include`, `Match` and the system's own file hold as they do for `ssh`, which paramiko's reader leaves out. Where
    there is no `ssh` that answers, the reader is asked about `~/.ssh/config` alone.

    Args:
        address: Host, and port and user where they are given.
    """
    import paramiko  # noqa: PLC0415 - whoever has no such cache does not pay for it

    config = at_home("~/.ssh/config")
    told = _asked(address, config)
    if told is not None:
        lines = [line for line in told.splitlines() if line.partition(" ")[0].lower() in _READ]
        reader = paramiko.SSHConfig.from_text("\n".join(("Host *", *lines)))
    elif config.is_file():
        reader = paramiko.SSHConfig.from_path(str(config))
    else:
        return {}
    return {**reader.lookup(address.host)}


def _asked(address: Address, config: Path) -> str | None:
    """Return what `ssh -G` prints; None where it does not. It takes the home of the password file, not `HOME`."""
    other = ("-F", str(config)) if config.is_file() and not _is_ssh_own(config) else ()
    user = ("-l", address.user) if address.user else ()
    port = ("-p", str(address.port)) if address.port else ()
    try:
        done = subprocess.run(
            ("ssh", "-G", *other, *user, *port, "--", address.host),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_ASK_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode(errors="replace")


def _is_ssh_own(config: Path) -> bool:
    try:
        home = Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:  # a user id without a name, as in some containers
        return False
    return config.resolve() == (home / ".ssh/config").resolve()


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
        settings: What OpenSSH's configuration has of it, by `settings_of`.
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
