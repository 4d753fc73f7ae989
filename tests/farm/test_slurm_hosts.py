"""Workers as jobs of a Slurm of several hosts: network, `/tmp`, `/run`, home and store are each host's own."""

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
from slurm_hosts import LOGIN, SlurmHosts, no_hosts, slurm_hosts

NODES = ("n1", "n2")
LONG = pytest.mark.skipif("WHEELHOUSE_LONG_TESTS" not in os.environ, reason="minutes: nox -s cluster")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(no_hosts()), reason=no_hosts())]


@pytest.fixture(scope="module")
def site() -> Iterator[SlurmHosts]:
    with slurm_hosts(NODES) as made:
        yield made


@pytest.fixture
def masters(site: SlurmHosts, tmp_path: Path) -> Iterator[Rig]:
    """Give masters on the login host; their logs lie where the test sees them."""
    folder = site.shared / tmp_path.name
    with rig(folder, otherwise=site.inside(LOGIN, site.shared)) as made:
        yield made
    site("scancel", "--user=root")
    # a job of a node that is down stays until Slurm gives the node up
    until(lambda: all("COMPLETING" in line for line in site.jobs()), "the jobs are gone", 60)


def submit(masters: Rig, site: SlurmHosts, *marks: str, store: Path | None = None, **settings: Any) -> None:  # noqa: ANN401
    """Start a master with two jobs of a whole node each, and one build for each mark."""
    read: dict[str, Any] = yaml.safe_load((ROOT / "deploy/farm/jobqueue.yaml").read_text())
    own = {"cores": 2, "memory": "1GiB", "walltime": "00:10:00", "shared-temp-directory": str(site.shared)}
    place = store or site.own / "store"
    prologue = [f"export WHEELHOUSE_STORE={place}"]
    read["jobqueue"]["slurm"] |= own | {"job-script-prologue": prologue} | settings
    (masters.folder / "jobqueue.yaml").write_text(yaml.safe_dump(read))
    paths = []
    for number, mark in enumerate(marks):
        files = {"pyproject.toml": PUBLISHED.replace('"1.0"', f'"1.{number}"'), "backend.py": sleeping(mark)}
        paths.append(sdist(masters.folder, files, version=f"1.{number}"))
    environ = {**site.environ, "DASK_CONFIG": str(masters.folder), "HOME": str(site.home)}
    masters.master("run", place, *paths, on="slurm", **environ)


def host_of(mark: str) -> str:
    """Return the host on which a build runs: a sandbox tells nothing, what it was started by does."""
    pid = str(programs(mark)[0])
    while int(pid) > 1:
        facts = Path("/proc", pid, "environ").read_bytes().decode(errors="replace").split("\0")
        if named := [fact for fact in facts if fact.startswith("SLURMD_NODENAME=")]:
            return named[0].partition("=")[2]
        status = Path("/proc", pid, "status").read_text()
        pid = status.partition("PPid:")[2].split()[0]
    raise AssertionError(mark)


def blobs(site: SlurmHosts, host: str) -> list[str]:
    """Return the files of a host's own store."""
    return site.on(host, "find", site.own / "store/blobs", "-type", "f").split()


@pytest.mark.parametrize("interface", [None, pytest.param("eth0", marks=LONG)])
def test_two_hosts_build_with_stores_of_their_own_or_one(
    masters: Rig, site: SlurmHosts, interface: str | None
) -> None:
    """Without an interface the master takes its address on the nodes' network, not that of its own name."""
    store = site.shared / "store" if interface else None
    marks = (f"4.05{bool(interface):02}", f"4.06{bool(interface):02}")
    logs = masters.folder / "logs"
    submit(masters, site, *marks, store=store, interface=interface, **{"log-directory": str(logs)})
    assert masters.ended("run") == 0, masters.log("run")
    assert set(masters.results("run")) == {"1.0", "1.1"}
    begun = {row["action"] for row in masters.said("run") if "action" in row}
    assert len(begun) == 2, begun  # each host had one of them
    assert sorted(site.on(one, "hostname").strip() for one in NODES) == list(NODES)
    assert len([path for path in logs.iterdir() if "Registered to" in path.read_text()]) == 2
    if store:
        assert list(store.glob("blobs/*/*"))
    else:
        assert all(blobs(site, one) for one in (*NODES, LOGIN))
    until(lambda: not site.jobs(), "the jobs are gone")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"shared-temp-directory": None},
            ("cannot read the certificates", "jobqueue.slurm.shared-temp-directory"),
        ),
        ({"log-directory": "OWN/logs"}, ("cannot write the job's log, ", "jobqueue.slurm.log-directory")),
        pytest.param(
            {"interface": "lo"},
            ("does not reach this host at tls://127.0.0.1:", "jobqueue.slurm.interface"),
            marks=LONG,
        ),
        pytest.param(
            {"python": "/opt/tool/bin/python"},
            ("does not have the Python /opt/tool/bin/python", "jobqueue.slurm.python"),
            marks=LONG,
        ),
        pytest.param(
            {"job-script-prologue": ["echo no such module >&2; exit 9"]},
            ("exit status 9:0: no such module", "on n"),
            marks=LONG,
        ),
    ],
)
def test_jobs_that_end_without_a_worker_are_told_with_the_cause(
    masters: Rig, site: SlurmHosts, settings: dict[str, Any], said: tuple[str, ...]
) -> None:
    fitted: dict[str, Any] = {
        name: value.replace("OWN", str(site.own)) if isinstance(value, str) else value
        for name, value in settings.items()
    }
    submit(masters, site, "1.0701", store=None, **fitted)
    assert masters.ended("run", 45) == 10, masters.log("run")
    error = masters.said("run")[-1]
    assert error["error"] == "JobsEndedError"
    assert all(part in error["what"] + error["next"] for part in said), error
    assert "2 of 2: job " in error["what"]


def test_a_job_that_slurm_refuses_ends_the_run_with_its_words(masters: Rig, site: SlurmHosts) -> None:
    submit(masters, site, "1.0702", queue="nosuch")
    assert masters.ended("run", 45) == 10, masters.log("run")
    error = masters.said("run")[-1]
    assert error["error"] == "JobsRefusedError"
    assert "invalid partition specified: nosuch" in error["what"]


def test_jobs_that_wait_in_the_queue_are_told_and_cancelled_by_ctrl_c(masters: Rig, site: SlurmHosts) -> None:
    busy = site("sbatch", "--parsable", "--nodes=2", "--exclusive", "--wrap", "srun sleep 300").stdout.strip()
    until(lambda: any("RUNNING" in line for line in site.jobs()), "the nodes are taken")
    submit(masters, site, "1.0703")
    until(lambda: "2 wait in the queue (" in masters.log("run"), "the user is told")
    assert [line.split()[1] for line in site.jobs()].count("PENDING") == 2
    os.kill(masters.running["run"].pid, signal.SIGINT)
    assert masters.ended("run", 30) == 130, masters.log("run")
    until(lambda: [line.split()[0] for line in site.jobs()] == [busy], "its jobs are gone, and no other")


def batch(site: SlurmHosts, masters: Rig) -> str:
    """Submit `deploy/farm/worker.sbatch` for both hosts and return the job's number once its workers have joined."""
    environ = {"SCHEDULER": masters.address, "BUILDS": "1", "WHEELHOUSE_STORE": str(site.own / "store")}
    environ["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    output = masters.folder / "workers.out"
    sizes = ("--cpus-per-task=2", "--mem=1G", "--time=5", "--nodes=2", f"--chdir={ROOT}")
    done = site(
        "sbatch", "--parsable", f"--output={output}", *sizes, ROOT / "deploy/farm/worker.sbatch", env=environ
    )
    assert done.returncode == 0, done.stderr
    until(lambda: output.exists() and output.read_text().count("builds for") == 2, "both joined", 60)
    return done.stdout.strip()


@LONG
def test_the_batch_script_s_workers_are_on_two_hosts(masters: Rig, site: SlurmHosts) -> None:
    masters.host, masters.port = site.hosts.address(LOGIN), 8786
    masters.scheduler()
    batch(site, masters)
    marks = ("4.0801", "4.0802")
    paths = []
    for number, mark in enumerate(marks):
        files = {"pyproject.toml": PUBLISHED.replace('"1.0"', f'"1.{number}"'), "backend.py": sleeping(mark)}
        paths.append(sdist(masters.folder, files, version=f"1.{number}"))
    masters.master("run", site.own / "store-batch", *paths, **site.environ)
    assert masters.ended("run") == 0, masters.log("run")
    details = [row["detail"] for row in masters.said("run") if row["event"] == "job_finished"]
    assert sorted(detail.rpartition(" ")[2] for detail in details) == ["(n1)", "(n2)"]


@LONG
def test_a_node_that_goes_down_in_a_build_is_followed_by_another(masters: Rig, site: SlurmHosts) -> None:
    submit(masters, site, "12.0901")
    until(lambda: programs("12.0901"), "the build runs", 60)
    lost = host_of("12.0901")
    until(lambda: masters.log("run").count("started on") or len(site.jobs()) == 2, "both jobs are there")
    site.lose(lost)
    until(lambda: programs("12.0901"), "another builds", 120)
    assert host_of("12.0901") != lost
    assert masters.ended("run") == 0, masters.log("run")
    assert "which did not finish it" in masters.log("run")
