from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from farm_rig import ROOT, Rig, free_port, joined, listening, rig
from invoking import invoke
from making_builds import Bench
from sdists import PUBLISHED, outcome, recipe, sdist, sources, where

from ascend_wheelhouse.base.events import JobFinished, JobStarted
from ascend_wheelhouse.build.command import build_component
from ascend_wheelhouse.build.outcome import BuiltWheel, PendingBuild
from ascend_wheelhouse.build.project_file import ProjectFileMissingError
from ascend_wheelhouse.farm.choice import FarmChoice
from ascend_wheelhouse.farm.errors import NoWorkersError, SchedulerUnreachableError, WorkerVersionError
from ascend_wheelhouse.farm.farm import farm


@pytest.fixture(scope="module")
def small_farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with rig(tmp_path_factory.mktemp("farm")) as made:
        made.scheduler()
        made.worker("anna")
        yield made


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(root=tmp_path / "store")


def test_a_build_on_a_worker_gives_the_bytes_of_one_here(
    small_farm: Rig, bench: Bench, tmp_path: Path
) -> None:
    archive = sdist(tmp_path, {"pyproject.toml": PUBLISHED})
    with joined(small_farm, bench) as (_, workshop):
        away = build_component(recipe(), where(), sources(bench, archive), workshop)
    assert isinstance(away, list)
    other = Bench(root=tmp_path / "other")
    here = outcome(other, recipe(), sources(other, archive), where())
    assert isinstance(here, BuiltWheel)
    assert away[0].sha256 == here.sha256
    bench.store.prove([here.sha256])
    assert [type(event) for event in bench.events] == [JobStarted, JobFinished]
    assert bench.events[0] == JobStarted(job="server", action="build on anna")
    assert bench.store.result(f"build-{away[0].key}")


def test_nobody_listens_beyond_the_loopback(small_farm: Rig) -> None:
    """Whoever reaches a worker or a scheduler runs code there: the documented words open no other network."""
    for name in ("scheduler", "anna"):
        assert listening(small_farm.running[name].pid) == {"0100007F"}, name


def test_what_a_worker_built_before_is_not_built_again(small_farm: Rig, bench: Bench, tmp_path: Path) -> None:
    starts = sources(bench, sdist(tmp_path, {"pyproject.toml": PUBLISHED, "extra": "2"}))
    with joined(small_farm, bench) as (_, workshop):
        build_component(recipe(), where(), starts, workshop)
        again = build_component(recipe(), where(), starts, workshop)
    assert isinstance(again, list)
    assert again[0].cached


def test_a_shared_store_needs_no_carrying(small_farm: Rig, tmp_path: Path) -> None:
    shared = Bench(root=small_farm.store_of("anna"))
    starts = sources(shared, sdist(tmp_path, {"pyproject.toml": PUBLISHED, "extra": "1"}))
    with joined(small_farm, shared) as (_, workshop):
        (wheel,) = build_component(recipe(), where(), starts, workshop)  # type: ignore[misc]  # not pending
    shared.store.prove([wheel.sha256])


def test_an_error_there_is_raised_here(small_farm: Rig, bench: Bench, tmp_path: Path) -> None:
    starts = sources(bench, sdist(tmp_path, {"pyproject.toml": PUBLISHED}, version="3.0"))
    with (
        joined(small_farm, bench) as (_, workshop),
        pytest.raises(ProjectFileMissingError, match=r"^server 3\.0: no NPU project file"),
    ):
        build_component(recipe(), where("3.0"), starts, workshop)


def test_labels_that_no_worker_has_are_told_before_anything_is_sent(small_farm: Rig, bench: Bench) -> None:
    old, huge = recipe(pure=False, toolchain={"gcc": ">=99"}), recipe(pure=False, memory_mb=1 << 30)
    with joined(small_farm, bench) as (found, workshop):
        unmet = found.unmet({"old": old, "huge": huge, "fine": recipe()}, where(), workshop)
        pending = found.unfit(old, where(), workshop)
    assert [one.lacks for one in unmet] == [("gcc >=99",), (f"memory {1 << 30} MiB",)]
    (text,) = [event.text for event in bench.events if hasattr(event, "text")]
    assert text.startswith("no worker can build 2 of 3: server wants gcc >=99; server wants memory")
    assert "anna: binutils" in text
    assert isinstance(pending, PendingBuild)
    assert "invoke worker" in pending.supply


@pytest.mark.parametrize("listening", [False, True])
def test_a_scheduler_that_does_not_answer_is_told_within_seconds(bench: Bench, listening: bool) -> None:  # noqa: FBT001 - parametrised
    """Nobody listens there, or somebody who says nothing."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        if listening:
            server.listen()
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        choice = FarmChoice(scheduler=address)
        with pytest.raises(SchedulerUnreachableError, match=f"^The scheduler at {address} does not answer"):
            farm(choice, bench.store, bench.events.append).__enter__()


def test_the_command_ends_with_4_and_the_next_step(capfd: pytest.CaptureFixture[str]) -> None:
    words = ("build", "sglang", "--platform", "x86_64", "--scheduler", f"tcp://127.0.0.1:{free_port()}")
    assert invoke(*words) == 4
    assert "leave it out to build on this host" in capfd.readouterr().err


def test_workers_of_dask_alone_are_refused(bench: Bench, tmp_path: Path) -> None:
    with rig(tmp_path / "bare") as bare:
        bare.scheduler()
        bare.start("plain", sys.executable, "-m", "distributed.cli.dask_worker", bare.address, "--no-nanny")
        with (
            pytest.raises((WorkerVersionError, NoWorkersError), match=r"none of this tool|had no worker"),
            joined(bare, bench),
        ):
            pass


def test_without_a_farm_nothing_of_dask_is_imported() -> None:
    code = (
        "import sys; sys.path.insert(0, 'tests/support'); from invoking import invoke; "
        "invoke('build', 'nothing', '--platform', 'x86_64'); "
        "print(sorted(n for n in sys.modules if n.partition('.')[0] in {'dask', 'distributed', 'tornado'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr
