"""A real Slurm on this host alone: its controller, its daemons and munge, each with files of its own, on the loopback.

Its nodes share the host's processes and network. Each has its own name, and a folder that only it sees: what a job
puts there is on one node, as on a node's own disk.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch")
_SECONDS = 60.0
CONFIGURATION = """\
ClusterName=here
SlurmctldHost={host}({address})
AuthType=auth/munge
AuthInfo=socket={munge}/munge.socket
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={spool}/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={spool}/%n.pid
SlurmctldPort={port}
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
ReturnToService=2
KillWait=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
{nodes}
PartitionName=cpu Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def missing() -> str:
    """Return why no Slurm can run here, empty where one can."""
    lacking = [
        name for name in PROGRAMS if shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin") is None
    ]
    if lacking:
        return f"not installed: {', '.join(lacking)}"
    return "" if os.geteuid() == 0 else "Slurm's daemons are run by root"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True, kw_only=True)
class Slurm:
    """A Slurm that runs.

    Args:
        folder: Its files; short, since a socket's path has at most 107 bytes.
        own: A folder whose contents each node has for itself.
        around: What goes before a command of the host that submits.
        running: Its daemons.
    """

    folder: Path
    own: Path
    around: Sequence[str] = ()
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def environ(self) -> dict[str, str]:
        """What its commands need to know."""
        return {"SLURM_CONF": str(self.folder / "slurm.conf")}

    def __call__(
        self, *words: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command of Slurm."""
        return subprocess.run(
            [*self.around, *map(str, words)],
            cwd=cwd or self.folder,
            env={**os.environ, **self.environ, **(env or {})},
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS,
        )

    def jobs(self) -> list[str]:
        """Return the jobs that wait, run or are being ended: number, state and name of each."""
        return self("squeue", "--noheader", "--format=%i %T %j").stdout.splitlines()

    def logs(self) -> str:
        """Return the last lines of each daemon."""
        return "\n".join(path.read_text(errors="replace")[-800:] for path in self.folder.glob("*.log"))

    def start(self, name: str, *words: str | Path) -> subprocess.Popen[bytes]:
        """Start a daemon in the foreground."""
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                [*map(str, words)], env={**os.environ, **self.environ}, stdout=log, stderr=log
            )
        self.running.append(process)
        return process

    def until_ready(self, nodes: Sequence[str]) -> None:
        """Wait until every node is idle."""
        end = time.monotonic() + _SECONDS
        while self("sinfo", "--noheader", "--format=%T %D").stdout.split() != ["idle", str(len(nodes))]:
            assert time.monotonic() < end, self.logs()
            time.sleep(0.2)

    def close(self) -> None:
        """End its jobs and its daemons."""
        self("scancel", "--signal=KILL", "--user=root")
        self("scancel", "--user=root")
        for process in reversed(self.running):
            process.terminate()
        for process in reversed(self.running):
            with suppress(subprocess.TimeoutExpired):
                process.wait(60)
            process.kill()
            process.wait()


@contextmanager
def slurm(nodes: Sequence[str] = ("n1", "n2")) -> Iterator[Slurm]:
    """Give a Slurm of some nodes, each of two cores and 4 GB as far as it is asked for them."""
    with tempfile.TemporaryDirectory(prefix="slurm-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # munge wants everybody to reach its socket
        made = Slurm(folder=folder, own=folder / "own")
        for path in (made.own, folder / "state", *(folder / node for node in nodes)):
            path.mkdir()
        rows = [
            f"NodeName={node} NodeHostname={node} NodeAddr=127.0.0.1 "
            f"Port={_free_port()} CPUs=2 RealMemory=4000"
            for node in nodes
        ]
        (folder / "slurm.conf").write_text(
            CONFIGURATION.format(
                host=socket.gethostname(),
                address="127.0.0.1",
                folder=folder,
                munge=folder,
                spool=folder,
                port=_free_port(),
                nodes="\n".join(rows),
            )
        )
        secret(folder / "munge.key")
        try:
            files = [f"--{kind}-file={folder}/munge.{kind}" for kind in ("key", "pid", "seed", "log")]
            made.start(
                "munged", "/usr/sbin/munged", "--foreground", f"--socket={folder}/munge.socket", *files
            )
            made.start("slurmctld", "/usr/sbin/slurmctld", "-D", "-i")
            for node in nodes:
                alone = 'mount -t tmpfs none "$1" && hostname "$2" && exec slurmd -D -N "$2"'
                words = ("unshare", "--mount", "--uts", "--propagation=private", "sh", "-ec", alone, node)
                made.start(node, *words, made.own, node)
            made.until_ready(nodes)
            yield made
        finally:
            made.close()


def secret(path: Path) -> None:
    """Write a key for munge."""
    path.touch(0o600)
    path.write_bytes(os.urandom(64))
