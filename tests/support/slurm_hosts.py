"""A real Slurm of several hosts on this one: each a namespace of network, mounts and name, joined by a bridge.

What a site shares lies in one folder (standing for NFS). A host has to itself: `/tmp`, `/run`, `/opt`, `own` (munge's
socket, what slurmd keeps, a store) and `home`. There is no default route: nothing leaves the bridge.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from namespaces import Cluster
from slurm_rig import CONFIGURATION, Slurm, missing, secret

ROOT = Path(__file__).parents[2]
PRIVATE = (Path("/tmp"), Path("/run"), Path("/opt"))  # noqa: S108 - as a host has them
LOGIN = "login"
_SECONDS = 120.0


def no_hosts() -> str:
    """Return why hosts of their own cannot be made here, empty where they can."""
    if lacking := missing():
        return lacking
    absent = [name for name in ("ip", "nsenter", "unshare") if shutil.which(name) is None]
    if absent:
        return f"not installed: {', '.join(absent)}"
    tried = subprocess.run(["unshare", "--net", "--mount", "--uts", "true"], capture_output=True, check=False)
    return "" if tried.returncode == 0 else "namespaces are not allowed here"


def mounts(own: Path, home: Path, hosts: Path, name: str, kept: Sequence[Path]) -> str:
    """Return what a host's shell does first: after it, only what a site shares is seen there."""
    lines = [
        f"hostname {name}",
        f"mount --bind {hosts} /etc/hosts",
        f"mount -t tmpfs none {own}",
        f"mount -t tmpfs none {home}",
    ]
    hidden = [path for path in kept if any(path.is_relative_to(place) for place in PRIVATE)]
    for number, path in enumerate(hidden):
        lines += [f"mkdir -p {own}/kept/{number}", f"mount --rbind {path} {own}/kept/{number}"]
    lines += [f"mount -t tmpfs -o mode=1777 none {place}" for place in PRIVATE]
    for number, path in enumerate(hidden):
        lines += [f"mkdir -p {path}", f"mount --rbind {own}/kept/{number} {path}"]
    return "\n".join([*lines, f"mkdir -p {own}/{name}", "exec sleep infinity"])


@dataclass(frozen=True, kw_only=True)
class SlurmHosts(Slurm):
    """A Slurm whose hosts share nothing but one folder.

    Args:
        hosts: Their network.
        shared: What every host sees.
        home: A home folder of the same name on each host, shared by none.
        holders: By a host's name the process that holds its namespaces.
    """

    hosts: Cluster
    shared: Path
    home: Path
    holders: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def inside(self, name: str, folder: Path | None = None) -> list[str]:
        """Return what goes before a command that is to run on a host."""
        spaces = ("--net", "--mount", "--uts")
        return ["nsenter", f"--target={self.holders[name].pid}", *spaces, f"--wdns={folder or self.shared}"]

    def on(self, name: str, *words: str | Path) -> str:
        """Return what a command prints on a host."""
        done = subprocess.run(
            [*self.inside(name), *map(str, words)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{words}: {done.stderr}"
        return done.stdout

    def hold(self, name: str, kept: Sequence[Path]) -> None:
        """Make a host."""
        hosts = self.folder / f"hosts-{name}"
        rows = {one: self.hosts.address(one) for one in self.hosts.nodes}
        named = [f"{address} {one}" for one, address in rows.items() if one != name]
        # as Debian has it: a host's own name is an address of the loopback
        hosts.write_text("\n".join(["127.0.0.1 localhost", f"127.0.1.1 {name}", *named, ""]))
        script = mounts(self.own, self.home, hosts, name, kept)
        words = ("unshare", "--mount", "--uts", "sh", "-ec", script)
        net = f"--net=/run/netns/{self.hosts.tag}{name}"  # `ip netns exec` would hide /sys/fs/cgroup
        self.holders[name] = self.start(f"holder-{name}", "nsenter", net, *words)
        end = time.monotonic() + _SECONDS
        while not Path(f"/proc/{self.holders[name].pid}/root{self.own}/{name}").is_dir():
            assert time.monotonic() < end, self.logs()
            time.sleep(0.02)

    def munged(self, name: str) -> None:
        """Start a host's own munge; its key is that of the site."""
        files = [f"--{kind}-file={self.own}/munge.{kind}" for kind in ("pid", "seed", "log")] + [
            f"--key-file={self.folder}/munge.key"
        ]
        words = ("/usr/sbin/munged", "--foreground", "--force", f"--socket={self.own}/munge.socket", *files)
        self.start(f"munged-{name}", *self.inside(name), *words)

    def slurmd(self, name: str) -> None:
        """Start a node's daemon."""
        self.start(f"slurmd-{name}", *self.inside(name), "/usr/sbin/slurmd", "-D", "-N", name)

    def lose(self, name: str) -> None:
        """Take a host from the network, and kill everything on it, as when its power fails."""
        self.hosts.link(name, "down")
        kill_all(self.hosts, name)


def kill_all(hosts: Cluster, name: str) -> None:
    """Kill every process in a namespace, until there is none."""
    for _ in range(100):
        words = ["ip", "netns", "pids", f"{hosts.tag}{name}"]
        found = subprocess.run(words, capture_output=True, text=True, check=False).stdout.split()
        if not found:
            return
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        time.sleep(0.05)


@contextmanager
def slurm_hosts(nodes: Sequence[str] = ("n1", "n2"), more: str = "") -> Iterator[SlurmHosts]:
    """Give a Slurm of a login host, where its controller runs, and nodes of two cores each."""
    with tempfile.TemporaryDirectory(prefix="slurm-", dir="/var/tmp") as text:
        folder = Path(text)
        folder.chmod(0o755)
        hosts = Cluster(tag=f"sl{os.getpid()}-", folder=folder, nodes=[LOGIN, *nodes])
        around: list[str] = []
        shared, home = folder / "shared", folder / "home"
        made = SlurmHosts(
            folder=folder, own=folder / "own", around=around, hosts=hosts, shared=shared, home=home
        )
        for path in (made.own, shared, home, folder / "state"):
            path.mkdir()
        _configure(made, nodes, more)
        try:
            hosts.build()
            kept = (ROOT, Path(sys.prefix), Path(sys.base_prefix))
            for name in hosts.nodes:
                made.hold(name, kept)
                made.munged(name)
            around += made.inside(LOGIN)
            made.start("slurmctld", *around, "/usr/sbin/slurmctld", "-D", "-i")
            for name in nodes:
                made.slurmd(name)
            made.until_ready(nodes)
            yield made
        finally:
            if around:
                made("scancel", "--user=root")
            for name in hosts.nodes:
                kill_all(hosts, name)
            for process in made.running:
                process.wait()
            hosts.tear_down()


def _configure(made: SlurmHosts, nodes: Sequence[str], more: str) -> None:
    rows = [
        f"NodeName={node} NodeHostname={node} NodeAddr={made.hosts.address(node)} CPUs=2 RealMemory=4000"
        for node in nodes
    ]
    (made.folder / "slurm.conf").write_text(
        CONFIGURATION.format(
            host=LOGIN,
            address=made.hosts.address(LOGIN),
            folder=made.folder,
            munge=made.own,
            spool=made.own,
            port=6817,
            nodes="\n".join([more, *rows]),
        )
    )
    secret(made.folder / "munge.key")
