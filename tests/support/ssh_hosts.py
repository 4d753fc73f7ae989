"""Hosts of their own on this one that ssh reaches: each a namespace of network, mounts and name, joined by a bridge.

A host has to itself: `/tmp`, `/run`, `/opt`, `own` (a store), `home`, its host key and its `/etc/hosts`. This project
and its Python are seen by all, as where each has it installed under the same path. There is no default route.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from namespaces import Cluster, run
from slurm_hosts import ROOT, kill_all, mounts

SSHD = "/usr/sbin/sshd"
MASTER = "login"
_SECONDS = 120.0
_SERVER = """\
ListenAddress {address}:{port}
HostKey {folder}/{name}-host
AuthorizedKeysFile {folder}/{key}.pub
StrictModes no
UsePAM no
PermitRootLogin yes
PidFile none
AllowUsers {user}
SetEnv HOME={home}
"""
_CLIENT = """\
Host {name}
HostName {address}
Port {port}
User {user}
IdentityFile {folder}/{key}
UserKnownHostsFile {folder}/known
"""


def no_ssh_hosts() -> str:
    """Return why such hosts cannot be made here, empty where they can."""
    absent = [name for name in ("ip", "nsenter", "unshare", SSHD) if shutil.which(name) is None]
    if absent:
        return f"not installed: {', '.join(absent)}"
    if os.geteuid() != 0:
        return "namespaces are made by root"
    tried = subprocess.run(["unshare", "--net", "--mount", "--uts", "true"], capture_output=True, check=False)
    return "" if tried.returncode == 0 else "namespaces are not allowed here"


@dataclass(frozen=True, kw_only=True)
class Way:
    """How ssh gets into a host."""

    user: str = "root"
    port: int = 22
    key: str = "key"


@dataclass(frozen=True, kw_only=True)
class SshHosts:
    """Hosts that run.

    Args:
        folder: What all of them see.
        network: Their network.
        ways: By a host's name how ssh gets in.
        holders: By a host's name the process that holds its namespaces.
        servers: By a host's name its sshd.
    """

    folder: Path
    network: Cluster
    ways: dict[str, Way]
    holders: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    servers: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def own(self) -> Path:
        """A folder of which each host has one of its own."""
        return self.folder / "own"

    @property
    def home(self) -> Path:
        """The home folder, each host's own."""
        return self.folder / "home"

    def inside(self, name: str) -> list[str]:
        """Return what goes before a command that is to run on a host."""
        spaces = ("--net", "--mount", "--uts")
        return ["nsenter", f"--target={self.holders[name].pid}", *spaces, f"--wdns={self.folder}"]

    def on(self, name: str, *words: str | Path) -> str:
        """Return what a command prints on a host."""
        return run(*self.inside(name), *words)

    def left(self, name: str) -> dict[int, str]:
        """Return the processes on a host besides its sshd: their command lines by number."""
        words = ["ip", "netns", "pids", f"{self.network.tag}{name}"]
        found = subprocess.run(words, capture_output=True, text=True, check=False).stdout.split()
        kept = {self.holders[name].pid, self.servers[name].pid if name in self.servers else 0}
        lines = {int(pid): _command(int(pid)) for pid in found if int(pid) not in kept}
        return {pid: line for pid, line in lines.items() if line}

    def left_of_ours(self, name: str) -> dict[int, str]:
        """Return the same without sshd's own process of a connection: cut off, it waits for TCP to give up."""
        return {pid: line for pid, line in self.left(name).items() if not line.startswith("sshd: ")}

    def host_of(self, pid: int) -> str:
        """Return the host on which a process runs: a sandbox tells nothing, what it was started by does."""
        names = {Path(f"/proc/{one.pid}/ns/net").readlink(): name for name, one in self.holders.items()}
        while pid > 1:
            if name := names.get(Path(f"/proc/{pid}/ns/net").readlink()):
                return name
            pid = int(Path(f"/proc/{pid}/status").read_text().partition("PPid:")[2].split()[0])
        raise AssertionError(pid)

    def hold(self, name: str) -> None:
        """Make a host."""
        hosts = self.folder / f"hosts-{name}"
        rows = {one: self.network.address(one) for one in self.network.nodes}
        named = [f"{address} {one}" for one, address in rows.items() if one != name]
        # as Debian has it: a host's own name is an address of the loopback
        hosts.write_text("\n".join(["127.0.0.1 localhost", f"127.0.1.1 {name}", *named, ""]))
        kept = (ROOT, Path(sys.prefix), Path(sys.base_prefix))
        script = mounts(self.own, self.home, hosts, name, kept)
        more = f"mount --bind {self.folder}/passwd /etc/passwd\nmkdir /run/sshd {self.home}/.ssh\nexec sleep"
        net = f"--net=/run/netns/{self.network.tag}{name}"
        words = [
            "nsenter",
            net,
            "unshare",
            "--mount",
            "--uts",
            "sh",
            "-ec",
            script.replace("exec sleep", more),
        ]
        self.holders[name] = subprocess.Popen(words)
        end = time.monotonic() + _SECONDS
        while not _command(self.holders[name].pid).startswith("sleep"):
            assert time.monotonic() < end, name
            time.sleep(0.02)

    def serve(self, name: str) -> None:
        """Start a host's sshd, and have the others know its key."""
        way, address = self.ways[name], self.network.address(name)
        facts = {"name": name, "folder": self.folder, "home": self.home, "address": address, **vars(way)}
        settings = self.folder / f"{name}-sshd"
        settings.write_text(_SERVER.format(**facts))
        self.servers[name] = subprocess.Popen(
            [*self.inside(name), SSHD, "-D", "-f", settings], stderr=subprocess.DEVNULL
        )
        call = ["bash", "-c", f"until </dev/tcp/{address}/{way.port}; do sleep 0.1; done 2>/dev/null"]
        subprocess.run([*self.inside(MASTER), *call], check=True, timeout=_SECONDS)

    def client(self, unknown: Sequence[str] = ()) -> None:
        """Write the settings of the master's ssh.

        Args:
            unknown: The hosts whose keys it does not know.
        """
        config, known = [], []
        for name, way in self.ways.items():
            address = self.network.address(name)
            config.append(_CLIENT.format(name=name, folder=self.folder, address=address, **vars(way)))
            words = " ".join((self.folder / f"{name}-host.pub").read_text().split()[:2])
            if name not in unknown:
                known.append(f"[{address}]:{way.port} {words}\n".replace(f"[{address}]:22 ", f"{address} "))
        Path(f"/proc/{self.holders[MASTER].pid}/root{self.home}/.ssh/config").write_text("".join(config))
        (self.folder / "known").write_text("".join(known))

    def cover(self, name: str, target: Path, source: Path) -> None:
        """Have a host see something else in a place."""
        run(*self.inside(name), "mount", "--bind", source, target)

    def listening(self, name: str) -> list[str]:
        """Return the ports on which a host answers, besides that of its sshd."""
        rows = self.on(name, "ss", "-Hltn").splitlines()
        places = [row.split()[3] for row in rows]
        return [place for place in places if not place.endswith(f":{self.ways[name].port}")]

    def lose(self, name: str) -> None:
        """Take a host from the network, and kill everything on it, as when its power fails."""
        self.network.link(name, "down")
        kill_all(self.network, name)


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


@contextmanager
def ssh_hosts(ways: dict[str, Way]) -> Iterator[SshHosts]:
    """Give hosts that ssh reaches, and one (`login`) from which it does."""
    with tempfile.TemporaryDirectory(prefix="ssh-", dir="/var/tmp") as text:
        folder = Path(text)
        folder.chmod(0o755)
        network = Cluster(tag=f"ss{os.getpid()}-", folder=folder, nodes=[MASTER, *ways])
        made = SshHosts(folder=folder, network=network, ways=ways)
        for path in (made.own, made.home):
            path.mkdir()
        for name in (*(f"{name}-host" for name in ways), *{way.key for way in ways.values()}):
            run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name)
        users = "".join(f"{name}:x:0:0::{made.home}:/bin/sh\n" for name in ("root", "builder"))
        (folder / "passwd").write_text(users + Path("/etc/passwd").read_text())
        try:
            network.build()
            for name in network.nodes:
                made.hold(name)
            for name in ways:
                made.serve(name)
            yield made
        finally:
            for name in network.nodes:
                kill_all(network, name)
            for process in (*made.holders.values(), *made.servers.values()):
                process.wait()
            network.tear_down()
