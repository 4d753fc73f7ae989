"""What breaks in the middle of a run: hosts are network namespaces, scheduler, workers and masters real processes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from farm_rig import ROOT, Rig, programs, rig, sleeping, until
from namespaces import Cluster
from sdists import PUBLISHED, sdist

from ascend_wheelhouse.farm.identity import own_version
from ascend_wheelhouse.store.store import Store

WORKERS = ("anna", "bert")
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")


@pytest.fixture(scope="module")
def whole_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """Scheduler, workers and masters as hosts of their own, joined by a bridge."""
    folder = tmp_path_factory.mktemp("site")
    hosts = Cluster(tag=f"farm{os.getpid()}-", folder=folder, nodes=["scheduler", *WORKERS])
    try:
        hosts.build()
        around = {name: [str(word) for word in hosts.command(name)] for name in hosts.nodes}
        facts = {"host": hosts.address("scheduler"), "port": 8786, "around": around}
        with rig(folder / "farm", **facts, otherwise=[*map(str, hosts.command("control"))]) as made:
            made.scheduler()
            yield made
    finally:
        hosts.tear_down()


@pytest.fixture
def site(whole_site: Rig) -> Rig:
    """The site with both workers at work."""
    whole_site.present(*WORKERS)
    return whole_site


def slow(folder: Path, seconds: str, version: str = "1.0") -> Path:
    """Write an sdist whose build takes a while, and whose process is found by that."""
    project = PUBLISHED.replace('"1.0"', f'"{version}"')
    return sdist(folder, {"pyproject.toml": project, "backend.py": sleeping(seconds)}, version=version)


def place(site: Rig, master: str) -> str:
    """Return the worker on which the last build of a master began."""
    started = [row["action"] for row in site.said(master) if "action" in row]
    return str(started[-1]).removeprefix("build on ")


def other(name: str) -> str:
    """Return the other worker."""
    return next(one for one in WORKERS if one != name)


def wheels(site: Rig, master: str) -> dict[str, str]:
    """Return the digests of what a master built, by version."""
    return {version: rows[0][1] for version, rows in site.results(master).items()}


def test_a_worker_that_is_killed_in_a_build_is_followed_by_another(site: Rig, tmp_path: Path) -> None:
    path = slow(tmp_path, "3.0101")
    site.master("killing", tmp_path / "store", path)
    until(lambda: programs("3.0101"), "the build runs")
    first = place(site, "killing")
    site.kill(first)
    assert site.ended("killing") == 0, site.log("killing")
    assert place(site, "killing") == other(first)
    assert f"was begun on {first}, which did not finish it" in site.log("killing")
    (sha256,) = wheels(site, "killing").values()
    assert Store(tmp_path / "store").has(sha256)
    assert not Store(site.store_of(first)).has(sha256)
    until(lambda: not programs("3.0101"), "no program of the dead worker is left")


@pytest.mark.slow
def test_a_scheduler_that_comes_back_finds_the_run_still_there(site: Rig, tmp_path: Path) -> None:
    """What was built before is not built again: the worker knows it."""
    quick, long = slow(tmp_path, "0.0102"), slow(tmp_path, "4.0102", "1.1")
    site.master("losing", tmp_path / "store", quick, long)
    until(lambda: programs("4.0102"), "the long build runs")
    until(lambda: list((tmp_path / "store/results").glob("*/build-*")), "the quick one is brought home")
    site.kill("scheduler")
    until(lambda: not programs("4.0102"), "the workers end what nobody can be told of")
    site.scheduler()
    assert site.ended("losing") == 0, site.log("losing")
    assert "went away; waiting for it" in site.log("losing")
    assert set(wheels(site, "losing")) == {"1.0", "1.1"}
    begun = [row for row in site.said("losing") if "action" in row]
    assert len(begun) <= 3


@contextmanager
def small_disk(at: Path) -> Iterator[Path]:
    """Give a file system with little space."""
    at.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", at], check=True)
    try:
        yield at
    finally:
        subprocess.run(["umount", "-l", at], check=True)


@pytest.mark.slow
def test_a_worker_whose_disk_is_full_is_left_out_and_told(site: Rig, tmp_path: Path) -> None:
    path = sdist(tmp_path, {"pyproject.toml": PUBLISHED, "server/data": os.urandom(1 << 20).hex()})
    with small_disk(tmp_path / "disk") as disk:
        site.present("bert")
        site.worker("anna", "--builds", "2", store=disk)
        site.kill("bert")
        site.master("filling", tmp_path / "store", path)
        assert site.ended("filling") == 10, site.log("filling")
        assert f"The disk of the store {disk} is full" in site.log("filling")
        site.kill("anna")
        site.worker("bert")
        site.master("busy", tmp_path / "other", slow(tmp_path, "90.0105", "1.1"))
        until(lambda: programs("90.0105"), "bert has something to do")
        site.worker("anna", "--builds", "2", store=disk)
        site.master("filling", tmp_path / "store", path)
        until(lambda: "is not built on anna" in site.log("filling"), "anna hands the build back")
        site.stop("busy")
        assert site.ended("filling") == 0, site.log("filling")
        site.kill("anna")
    assert Store(site.store_of("bert")).has(wheels(site, "filling")["1.0"])


@pytest.mark.slow
def test_a_worker_of_another_version_gets_nothing(site: Rig, tmp_path: Path) -> None:
    """It is refused by both versions, and left out where there is another worker."""
    source = tmp_path / "src"
    shutil.copytree(ROOT / "src", source)
    with (source / "ascend_wheelhouse/build/keys.py").open("a") as file:
        file.write("# another rule\n")
    site.present()
    before = list(site.store_of("anna").glob("blobs/*/*"))
    site.worker("anna", PYTHONPATH=str(source))
    path = slow(tmp_path, "0.0103")
    site.master("strict", tmp_path / "store", path)
    assert site.ended("strict") == 10
    refusal = next(row for row in site.said("strict") if row.get("error") == "WorkerVersionError")
    assert own_version() in refusal["what"]
    assert refusal["what"].count("0.1.0+") == 2
    site.worker("bert")
    site.master("lenient", tmp_path / "store", path)
    assert site.ended("lenient") == 0, site.log("lenient")
    assert "worker anna is left out: it has version 0.1.0+" in site.log("lenient")
    assert list(site.store_of("anna").glob("blobs/*/*")) == before
    site.kill("anna")


def test_two_masters_that_want_the_same_share_one_build(site: Rig, tmp_path: Path) -> None:
    path = slow(tmp_path, "4.0104")
    site.master("one", tmp_path / "one", path)
    until(lambda: programs("4.0104"), "the build runs")
    site.master("two", tmp_path / "two", path)
    runs = set()
    while not all(process.poll() is not None for process in (site.running["one"], site.running["two"])):
        runs |= set(programs("4.0104"))
        time.sleep(0.05)
    assert [site.ended("one"), site.ended("two")] == [0, 0], site.log("one") + site.log("two")
    assert wheels(site, "one") == wheels(site, "two")
    assert Store(tmp_path / "two").has(wheels(site, "two")["1.0"])
    parents = {Path(f"/proc/{pid}") for pid in runs}
    assert len(parents) <= 2  # the sandbox's own process and the program


def test_a_slow_worker_holds_up_no_other_build(site: Rig, tmp_path: Path) -> None:
    """Whoever is slow is slow with one build: the others go to the worker that is free, each once."""
    long = slow(tmp_path, "600.0105", "1.9")
    quick = [slow(tmp_path, "0.0105", f"1.{number}") for number in (1, 2, 3)]
    master = site.master("mixed", tmp_path / "store", long, *quick)
    until(lambda: sum(row.get("outcome") == "done" for row in site.said("mixed")) == 3, "the others are done")
    assert programs("600.0105")
    begun = [row["action"] for row in site.said("mixed") if "action" in row]
    assert len(begun) == 4
    assert len(set(begun)) == 2
    master.send_signal(signal.SIGINT)
    assert site.ended("mixed") == 130


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)]
)
def test_a_master_that_is_stopped_leaves_no_compiler_behind(
    site: Rig, tmp_path: Path, number: signal.Signals, status: int
) -> None:
    mark = f"300.{number:04}"
    name = f"stopped-{number}"
    process = site.master(name, tmp_path / "store", slow(tmp_path, mark))
    until(lambda: programs(mark), "the build runs")
    process.send_signal(number)
    assert site.ended(name, 20) == status, site.log(name)
    until(lambda: not programs(mark), "no program is left on the worker", 20)
    path = slow(tmp_path, "0.0106")
    site.master(f"{name}-next", tmp_path / "store", path)
    assert site.ended(f"{name}-next") == 0, site.log(f"{name}-next")


def test_a_worker_that_is_stopped_leaves_no_compiler_behind(site: Rig, tmp_path: Path) -> None:
    site.master("waiting", tmp_path / "store", slow(tmp_path, "3.0107"))
    until(lambda: programs("3.0107"), "the build runs")
    first = place(site, "waiting")
    assert site.stop(first) == 130, site.log(first)
    assert site.ended("waiting") == 0, site.log("waiting")
    assert place(site, "waiting") == other(first)
