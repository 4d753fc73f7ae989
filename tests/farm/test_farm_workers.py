"""Workers that a run starts itself are real, and gone with it, however it ends."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from farm_rig import Rig, free_port, programs, rig, sleeping, until
from invoking import invoke
from sdists import PUBLISHED, sdist

from ascend_wheelhouse.farm.far_side import PRELOAD


@pytest.fixture
def masters(tmp_path: Path) -> Iterator[Rig]:
    with rig(tmp_path / "farm") as made:
        yield made


def started(pid: int) -> list[int]:
    """Return the processes below one."""
    children = [
        int(word)
        for path in Path(f"/proc/{pid}/task").glob("*/children")
        for word in path.read_text().split()
    ]
    return [*children, *(one for child in children for one in started(child))]


def alive(pids: list[int]) -> list[int]:
    """Return which of them run: a zombie does not, it waits to be read by init."""
    found = []
    for pid in pids:
        with suppress(FileNotFoundError, ProcessLookupError):
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
                found.append(pid)
    return found


@pytest.fixture
def port_of_a_dashboard() -> Iterator[None]:
    """Somebody listens at the port that Dask's dashboard would have; more than one test may want it at a time."""
    with socket.socket() as holder:
        with suppress(OSError):
            holder.bind(("127.0.0.1", 8787))
            holder.listen()
        yield


@pytest.mark.usefixtures("port_of_a_dashboard")
def test_local_workers_build_and_are_gone_afterwards(masters: Rig, tmp_path: Path) -> None:
    there = tmp_path / "theirs"
    path = sdist(tmp_path, {"pyproject.toml": PUBLISHED, "backend.py": sleeping("3.0201")})
    master = masters.master("local", tmp_path / "store", path, on="local", WHEELHOUSE_STORE=str(there))
    until(lambda: programs("3.0201"), "the build runs")
    workers = started(master.pid)
    assert masters.ended("local") == 0, masters.log("local")
    assert "8787" not in masters.log("local")
    assert "1.0" in masters.results("local")
    assert list(there.glob("blobs/*/*"))
    assert len(workers) > 2
    until(lambda: not alive(workers), "the workers are gone")


def test_local_workers_are_gone_after_a_failure(masters: Rig, tmp_path: Path) -> None:
    broken = sleeping("3.0202") + "raise RuntimeError('no backend')\n"
    path = sdist(tmp_path, {"pyproject.toml": PUBLISHED, "backend.py": broken})
    there = str(tmp_path / "theirs")
    master = masters.master("failing", tmp_path / "store", path, on="local", WHEELHOUSE_STORE=there)
    until(lambda: programs("3.0202"), "the build runs")
    workers = started(master.pid)
    assert masters.ended("failing") == 6, masters.log("failing")
    assert len(workers) > 2
    until(lambda: not alive(workers), "the workers are gone")


def test_workers_of_dasks_own_command_build(masters: Rig, tmp_path: Path) -> None:
    """The preload makes a worker of ours of one of Dask's, with its labels from the start."""
    masters.scheduler()
    words = ("-m", "distributed.cli.dask_worker", masters.address, "--preload", PRELOAD, "--no-dashboard")
    masters.start("plain", sys.executable, *words, env={"WHEELHOUSE_STORE": str(tmp_path / "theirs")})
    masters.master("preloaded", tmp_path / "store", sdist(tmp_path, {"pyproject.toml": PUBLISHED}))
    assert masters.ended("preloaded") == 0, masters.log("preloaded")
    assert "1.0" in masters.results("preloaded")


def test_a_host_that_does_not_answer_is_told_with_what_to_try(capfd: pytest.CaptureFixture[str]) -> None:
    host = f"ssh://127.0.0.1:{free_port()}"
    words = ("build", "sglang", "--platform", "x86_64", "--workers", "ssh", "--worker-hosts", host)
    assert invoke(*words) == 4
    said = capfd.readouterr().err
    assert f"No host of --workers ssh can build: {host}: " in said
    assert "Connection refused" in said
    assert f"ssh {host} {sys.executable} -m ascend_wheelhouse.farm.far_side" in said


@pytest.mark.parametrize(
    ("number", "whole_group", "status"),
    [(signal.SIGINT, True, 130), (signal.SIGTERM, False, 143), (signal.SIGKILL, False, -9)],
)
def test_a_run_that_is_stopped_takes_its_local_workers_along(
    masters: Rig, tmp_path: Path, number: signal.Signals, status: int, *, whole_group: bool
) -> None:
    """A terminal's Ctrl-C reaches the workers as well as the master."""
    mark = f"300.02{number:02}"
    path = sdist(tmp_path, {"pyproject.toml": PUBLISHED, "backend.py": sleeping(mark)})
    there = str(tmp_path / "theirs")
    master = masters.master("stopped", tmp_path / "store", path, on="local", WHEELHOUSE_STORE=there)
    until(lambda: programs(mark), "the build runs")
    workers = started(master.pid)
    assert len(workers) > 2
    (os.killpg if whole_group else os.kill)(master.pid, number)
    assert masters.ended("stopped", 30) == status, masters.log("stopped")
    until(lambda: not alive(workers), "the workers are gone")
    assert not programs(mark)
