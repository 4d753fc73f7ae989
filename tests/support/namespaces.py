"""A cluster on one machine: network namespaces with an sshd each, joined by a bridge, and one for the control host."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

NETWORK = "10.97.53"
_SSHD = """\
ListenAddress {address}:22
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/key.pub
PidFile none
StrictModes no
UsePAM no
PermitRootLogin yes
SetEnv HOME={folder}
Subsystem sftp internal-sftp
"""


def run(*words: str | Path) -> str:
    """Run a command that must succeed and return what it printed."""
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{words}: {done.stderr}"
    return done.stdout


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Namespaces that stand; `tag` keeps those of two runs apart."""

    tag: str
    folder: Path
    nodes: Sequence[str]

    def address(self, name: str) -> str:
        """Return a node's address; the control host's is the last one."""
        return f"{NETWORK}.{self.nodes.index(name) + 1 if name in self.nodes else 254}"

    def command(self, name: str, *words: str | Path) -> list[str | Path]:
        """Return the command line that runs something inside a namespace."""
        return ["ip", "netns", "exec", f"{self.tag}{name}", *words]

    def link(self, name: str, state: str) -> None:
        """Plug a node in (`up`) or cut it off (`down`)."""
        run(*self.command("switch", "ip", "link", "set", f"to-{name}", state))

    def slow_down(self, name: str, rate: str) -> None:
        """Limit what a node receives."""
        words = ("root", "tbf", "rate", rate, "burst", "64kb", "latency", "100ms")
        run(*self.command("switch", "tc", "qdisc", "replace", "dev", f"to-{name}", *words))

    def full_speed(self, name: str) -> None:
        """Lift the limit again."""
        run(*self.command("switch", "tc", "qdisc", "del", "dev", f"to-{name}", "root"))

    def bytes_sent(self, name: str) -> int:
        """Return how many bytes have left a namespace."""
        text = run(*self.command(name, "cat", "/sys/class/net/eth0/statistics/tx_bytes"))
        return int(text)

    def _attach(self, name: str) -> None:
        run("ip", "netns", "add", f"{self.tag}{name}")
        ends = ("type", "veth", "peer", "name", f"to-{name}", "netns", f"{self.tag}switch")
        run("ip", "link", "add", "eth0", "netns", f"{self.tag}{name}", *ends)
        run(*self.command(name, "ip", "address", "add", f"{self.address(name)}/24", "dev", "eth0"))
        for device in ("lo", "eth0"):
            run(*self.command(name, "ip", "link", "set", device, "up"))
        run(*self.command("switch", "ip", "link", "set", f"to-{name}", "master", "bridge", "up"))

    def build(self) -> None:
        """Make the bridge, the namespaces and the links."""
        run("ip", "netns", "add", f"{self.tag}switch")
        run(*self.command("switch", "ip", "link", "add", "bridge", "type", "bridge"))
        run(*self.command("switch", "ip", "link", "set", "bridge", "up"))
        for name in (*self.nodes, "control"):
            self._attach(name)

    def tear_down(self) -> None:
        """End what runs in the namespaces and remove them."""
        for name in (*self.nodes, "control", "switch"):
            found = subprocess.run(
                ["ip", "netns", "pids", f"{self.tag}{name}"], capture_output=True, text=True, check=False
            )
            for pid in found.stdout.split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), 9)
            subprocess.run(["ip", "netns", "del", f"{self.tag}{name}"], capture_output=True, check=False)

    def start_sshd(self, name: str) -> subprocess.Popen[bytes]:
        """Start a node's own sshd."""
        settings = self.folder / f"sshd-{name}"
        settings.write_text(_SSHD.format(address=self.address(name), folder=self.folder))
        return subprocess.Popen(
            self.command(name, "/usr/sbin/sshd", "-D", "-f", settings), stderr=subprocess.DEVNULL
        )

    def wait_for(self, name: str) -> None:
        """Wait until a node answers over ssh."""
        words = ["ssh", *self.ssh_options(), f"root@{self.address(name)}", "true"]
        for _ in range(50):
            done = subprocess.run(
                self.command("control", *words), capture_output=True, check=False, timeout=20
            )
            if done.returncode == 0:
                return
            time.sleep(0.1)
        raise AssertionError(done.stderr)

    def ssh_options(self) -> list[str]:
        """Return the options that let the control host in."""
        own = (
            "IdentitiesOnly=yes",
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
            "LogLevel=ERROR",
        )
        return ["-i", str(self.folder / "key"), *(word for option in own for word in ("-o", option))]


@contextlib.contextmanager
def cluster(folder: Path, count: int) -> Iterator[Cluster]:
    """Yield a cluster of that many nodes with running sshds; nothing of it is left afterwards."""
    for name in ("key", "host_key"):
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name)
    Path("/run/sshd").mkdir(exist_ok=True)
    nodes = [f"n{number}" for number in range(1, count + 1)]
    made = Cluster(tag=f"wh{os.getpid()}-", folder=folder, nodes=nodes)
    try:
        made.build()
        servers = [made.start_sshd(name) for name in nodes]
        for name in nodes:
            made.wait_for(name)
        yield made
    finally:
        made.tear_down()
    for server in servers:
        server.wait()
