"""Workers as jobs of a Slurm that takes them: its daemons run on this host, with two nodes."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from farm_rig import ROOT, Rig, programs, rig, sleeping, until
from sdists import PUBLISHED, sdist
from slurm_rig import Slurm, missing, slurm

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(missing()), reason=missing())]


@pytest.fixture(scope="module")
def queue() -> Iterator[Slurm]:
    """Give a Slurm of two nodes, and the settings of `deploy/farm/jobqueue.yaml` fitted to it."""
    with slurm() as made:
        settings: dict[str, Any] = yaml.safe_load((ROOT / "deploy/farm/jobqueue.yaml").read_text())
        here = {"cores": 1, "memory": "1GiB", "walltime": "00:10:00", "interface": "lo"}
        settings["jobqueue"]["slurm"] |= here | {
            "local-directory": str(made.folder),
            "log-directory": str(made.folder / "jobs"),
            "shared-temp-directory": str(made.folder),
            "job-script-prologue": [f"export WHEELHOUSE_STORE={made.folder}/store"],
        }
        (made.folder / "dask").mkdir()
        (made.folder / "dask/jobqueue.yaml").write_text(yaml.safe_dump(settings))
        yield made


@pytest.fixture
def masters(tmp_path: Path) -> Iterator[Rig]:
    with rig(tmp_path / "farm") as made:
        yield made


def submitted(masters: Rig, queue: Slurm, tmp_path: Path, mark: str) -> int:
    """Start a master whose workers are jobs, wait until its build runs, and return its process."""
    path = sdist(tmp_path, {"pyproject.toml": PUBLISHED, "backend.py": sleeping(mark)})
    environ = {**queue.environ, "DASK_CONFIG": str(queue.folder / "dask")}
    master = masters.master("slurm", tmp_path / "store", path, on="slurm", **environ)
    until(lambda: programs(mark), "the build runs", 60)
    return master.pid


def test_jobs_of_slurm_build_and_are_gone_afterwards(masters: Rig, queue: Slurm, tmp_path: Path) -> None:
    submitted(masters, queue, tmp_path, "3.0401")
    assert [line.split()[1:] for line in queue.jobs()] == [["RUNNING", "dask-worker"]] * 2
    assert masters.ended("slurm") == 0, masters.log("slurm")
    assert "1.0" in masters.results("slurm")
    assert list((queue.folder / "store").glob("blobs/*/*"))
    until(lambda: not queue.jobs(), "the jobs are gone")
    assert not programs("3.0401")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_a_run_that_is_stopped_leaves_no_build_in_a_job(
    masters: Rig, queue: Slurm, tmp_path: Path, number: signal.Signals, status: int
) -> None:
    mark = f"300.04{number:02}"
    os.kill(submitted(masters, queue, tmp_path, mark), number)
    assert masters.ended("slurm", 30) == status, masters.log("slurm")
    until(lambda: not programs(mark), "the build is gone")
    until(lambda: not queue.jobs(), "the jobs are gone", 90)


def batch(queue: Slurm, masters: Rig, nodes: int) -> str:
    """Submit `deploy/farm/worker.sbatch` and return the job's number once its workers have joined."""
    environ = {"SCHEDULER": masters.address, "BUILDS": "1", "WHEELHOUSE_STORE": str(queue.folder / "store")}
    environ["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    sizes = ("--cpus-per-task=2", "--mem=1G", "--time=5", f"--nodes={nodes}")
    script = ROOT / "deploy/farm/worker.sbatch"
    output = queue.folder / f"workers-{nodes}-{len(queue.jobs())}.out"
    done = queue("sbatch", "--parsable", f"--output={output}", *sizes, script, cwd=ROOT, env=environ)
    assert done.returncode == 0, done.stderr
    until(lambda: output.exists() and output.read_text().count("builds for") == nodes, "all joined", 60)
    return done.stdout.strip()


def test_the_batch_script_gives_a_worker_a_node_and_a_cancelled_job_s_build_to_another(
    masters: Rig, queue: Slurm, tmp_path: Path
) -> None:
    masters.scheduler()
    first = batch(queue, masters, 1)
    path = sdist(tmp_path, {"pyproject.toml": PUBLISHED, "backend.py": sleeping("6.0404")})
    masters.master("outlives", tmp_path / "store", path)
    until(lambda: programs("6.0404"), "the build runs", 60)
    queue("scancel", first)
    until(lambda: not programs("6.0404"), "the compiler is gone with its job")
    second = batch(queue, masters, 2)
    step = queue("scontrol", "--oneliner", "show", "step", f"{second}.0").stdout
    assert "CPUs=4 Tasks=2" in step
    assert masters.ended("outlives") == 0, masters.log("outlives")
    assert "1.0" in masters.results("outlives")
    (wheel,) = [row["detail"] for row in masters.said("outlives") if row["event"] == "job_finished"]
    assert wheel.endswith(("(n1)", "(n2)"))
    queue("scancel", second)
    until(lambda: not queue.jobs(), "the jobs are gone")
    assert not programs(masters.address)
