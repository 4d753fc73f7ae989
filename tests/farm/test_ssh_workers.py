"""deploy/farm/ssh-workers.sh with an sshd for each of two hosts, which differ in their names and share the disk."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from farm_rig import ROOT, Rig, free_port, programs, rig, sleeping, until
from sdists import PUBLISHED, sdist

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        os.geteuid() != 0 or not Path("/usr/sbin/sshd").exists(), reason="root and openssh-server are needed"
    ),
]
SCRIPT = ROOT / "deploy/farm/ssh-workers.sh"
HOSTS = ("n1", "n2")
_CLIENT = "User root\nIdentityFile {0}/key\nUserKnownHostsFile {0}/known\nStrictHostKeyChecking accept-new\n"
_SERVER = (
    "ListenAddress 127.0.0.1\nHostKey {0}/host\nAuthorizedKeysFile {0}/key.pub\nStrictModes no\nUsePAM no\n"
)


@dataclass(kw_only=True)
class Hosts:
    """Hosts that `ssh` reaches, and one (`nowhere`) that it does not; all have the project in one folder."""

    home: Path
    project: Path
    servers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def serve(self) -> None:
        """Start the servers, each with a host name of its own."""
        settings, client = self.home / "sshd", [_CLIENT.format(self.home)]
        settings.write_text(f"{_SERVER.format(self.home)}PermitRootLogin yes\nPidFile none\n")
        for name in ("host", "key"):
            words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.home / name)]
            subprocess.run(words, check=True)
        Path("/run/sshd").mkdir(exist_ok=True)
        for name in (*HOSTS, "nowhere"):
            port = free_port()
            client.append(f"Host {name}\nHostName 127.0.0.1\nPort {port}\n")
            if name in HOSTS:
                run = f"hostname {name}; exec /usr/sbin/sshd -D -p {port} -f {settings}"
                self.servers.append(subprocess.Popen(["unshare", "--uts", "sh", "-c", run]))
        (self.home / "config").write_text("".join(client))
        (self.home / "ssh").write_text(f'#!/bin/sh\nexec /usr/bin/ssh -F {self.home}/config "$@"\n')
        (self.home / "ssh").chmod(0o755)
        for name in HOSTS:
            until(lambda name=name: self.ssh(name, "true") == 0, f"{name} answers")

    def ssh(self, *words: str) -> int:
        """Run a command over ssh."""
        return subprocess.run([self.home / "ssh", *words], capture_output=True, check=False).returncode

    @property
    def env(self) -> dict[str, str]:
        """The environment in which `ssh` reaches them."""
        return {**os.environ, "PATH": f"{self.home}:{os.environ['PATH']}"}

    def script(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        """Run the script."""
        return subprocess.run(
            [SCRIPT, *words],
            env=self.env,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def workers(self) -> list[int]:
        """Return the processes of workers of this test."""
        here = (pid for pid in programs(".venv/bin/invoke") if pid in programs("worker"))
        return [pid for pid in here if Path(f"/proc/{pid}/cwd").readlink() == self.project]


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[Hosts]:
    project = tmp_path / "the project's folder"
    (project / ".venv/bin").mkdir(parents=True)
    (project / "tasks.py").symlink_to(ROOT / "tasks.py")
    shutil.copy(Path(sys.executable).with_name("invoke"), project / ".venv/bin/invoke")
    (tmp_path / "home").mkdir()
    made = Hosts(home=tmp_path / "home", project=project)
    try:
        made.serve()
        yield made
    finally:
        for pid in made.workers():
            os.kill(pid, 9)
        for server in made.servers:
            server.kill()
            server.wait(10)


@pytest.fixture
def masters(tmp_path: Path) -> Iterator[Rig]:
    with rig(tmp_path / "farm") as made:
        made.scheduler()
        yield made


def test_workers_start_once_on_each_host_build_and_stop(hosts: Hosts, masters: Rig, tmp_path: Path) -> None:
    begun = hosts.script("start", masters.address, hosts.project, *HOSTS)
    assert (begun.returncode, begun.stderr) == (0, "")
    first = hosts.workers()
    assert len(first) == 2
    again = hosts.script("start", masters.address, hosts.project, *HOSTS)
    assert (again.returncode, again.stdout.count("runs already")) == (0, 2), again
    assert hosts.workers() == first
    masters.master("built", tmp_path / "store", sdist(tmp_path, {"pyproject.toml": PUBLISHED}))
    assert masters.ended("built") == 0, masters.log("built")
    path = sdist(tmp_path, {"pyproject.toml": PUBLISHED, "backend.py": sleeping("300.0501")})
    masters.master("cut", tmp_path / "store", path)
    until(lambda: programs("300.0501"), "the build runs")
    for _ in range(2):
        ended = hosts.script("stop", hosts.project, *HOSTS)
        assert (ended.returncode, ended.stderr) == (0, ""), ended
        assert not hosts.workers()
        assert not programs("300.0501")
    assert {path.suffix for path in hosts.project.glob("worker*")} == {".log"}


def test_a_host_that_does_not_answer_is_told_and_the_others_work(hosts: Hosts, masters: Rig) -> None:
    begun = hosts.script("start", masters.address, hosts.project, "n1", "nowhere", "n2")
    assert (begun.returncode, "nowhere: not started" in begun.stderr) == (1, True), begun
    assert len(hosts.workers()) == 2
    ended = hosts.script("stop", hosts.project, "n1", "nowhere", "n2")
    assert (ended.returncode, "nowhere: not stopped" in ended.stderr) == (1, True), ended
    assert not hosts.workers()


def test_a_worker_that_does_not_come_up_is_told_with_its_own_words(hosts: Hosts, tmp_path: Path) -> None:
    begun = hosts.script("start", "udp://127.0.0.1:1", hosts.project, "n1")
    assert (begun.returncode, "n1: not started" in begun.stderr) == (1, True), begun
    assert "udp://127.0.0.1:1" in begun.stderr
    assert [path.name for path in hosts.project.glob("worker*")] == ["worker-n1.log"]
    lacks = hosts.script("start", "tcp://127.0.0.1:1", tmp_path / "elsewhere", "n1")
    assert (lacks.returncode, "elsewhere" in lacks.stderr) == (1, True), lacks


def test_what_another_program_has_made_of_a_number_is_left_alone(hosts: Hosts) -> None:
    """The host was started anew since, and the number of the worker is another process's."""
    with subprocess.Popen(["sleep", "60"]) as other:
        (hosts.project / "worker-n1.pid").write_text(f"{other.pid}\n")
        ended = hosts.script("stop", hosts.project, "n1")
        assert ended.returncode == 0, ended
        assert other.poll() is None
        other.kill()


def test_what_was_starting_at_ctrl_c_can_be_stopped(hosts: Hosts) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        scheduler = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        words: list[str | Path] = [SCRIPT, "start", scheduler, hosts.project, "n1"]
        with subprocess.Popen(words, env=hosts.env, start_new_session=True) as starting:
            until(hosts.workers, "the worker was started")
            until(lambda: [*hosts.project.glob("worker-n1.pid")], "its number is written")
            os.killpg(starting.pid, signal.SIGINT)
        assert starting.returncode == -signal.SIGINT
        ended = hosts.script("stop", hosts.project, "n1")
        assert (ended.returncode, ended.stderr) == (0, ""), ended
    assert not hosts.workers()
