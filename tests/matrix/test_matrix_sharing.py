"""What the cells of a matrix have in common comes once: a build, a shared cache, a farm."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from farm_rig import free_port, rig
from index_server import Index, serving
from making_packages import makeself
from small_world import World, count_builds, found

from ascend_wheelhouse.folder.signing import generate_key

NAMES = [f"sglang1.0-torch2.8.0-cann8.5.0-{chip}-aarch64" for chip in ("a3", "910b")]
WORDS = ("matrix", "--resolver", "uv", "--npu", "a3", "--npu", "910b", "--json")
NNAL = "Ascend-cann-nnal_8.5.0_linux-aarch64.run"


@pytest.fixture
def index() -> Iterator[Index]:
    with serving() as one:
        yield one


@pytest.fixture
def world(index: Index, tmp_path: Path) -> World:
    """A world with an index of its own."""
    (tmp_path / "first").mkdir()
    return found(tmp_path / "first", index)


def builds_of(world: World) -> Path:
    """Return the file to which builds, from now on, write a line each."""
    runs = world.root / "runs"
    count_builds(world.index, runs)
    return runs


def wheels_built(world: World) -> set[bytes]:
    """Return the bytes of SGLang's wheel in each wheelhouse."""
    return {
        path.read_bytes()
        for name in NAMES
        for path in (world.root / "wheelhouse" / name / "wheels").glob("sglang-*")
    }


def test_a_build_that_two_cells_need_is_done_once(world: World) -> None:
    runs = builds_of(world)
    done = world.invoke(*WORDS, "--no-sandbox")
    assert done.status == 0, done.err
    assert len(runs.read_text().splitlines()) == 1
    assert len(wheels_built(world)) == 1


def test_a_build_that_two_cells_need_is_done_once_on_a_worker(world: World, tmp_path: Path) -> None:
    runs = builds_of(world)
    with rig(tmp_path / "farm") as farm:
        farm.scheduler()
        farm.worker("anna")
        done = world.invoke(*WORDS, "--no-sandbox", "--scheduler", farm.address)
        assert done.status == 0, done.err
        (run,) = runs.read_text().splitlines()
        assert str(farm.running["anna"].pid) in run.split()
        assert farm.log("scheduler").count("Receive client connection") == 1
    assert len(wheels_built(world)) == 1
    assert all(cell["error"] is None for cell in json.loads(done.out)["cells"])


def test_a_finished_matrix_needs_neither_its_farm_nor_its_cache(world: World) -> None:
    assert world.invoke(*WORDS).status == 0
    nobody = ("--scheduler", f"tcp://127.0.0.1:{free_port()}", "--cache", "https://127.0.0.1:9/cache")
    again = world.invoke(*WORDS, *nobody)
    assert again.status == 0, again.err
    assert not any(cell["made"] for cell in json.loads(again.out)["cells"])


def test_a_scheduler_that_does_not_answer_ends_the_run_before_any_cell(world: World) -> None:
    done = world.invoke(*WORDS, "--scheduler", f"tcp://127.0.0.1:{free_port()}")
    assert done.status == 4
    assert json.loads(done.out)["error"] == "SchedulerUnreachableError"
    assert world.index.asked == []


def test_a_second_site_takes_every_cell_from_the_cache_and_asks_no_origin(
    world: World, tmp_path: Path
) -> None:
    key = generate_key(tmp_path / "key")
    world.index.raw[f"/{NNAL}"] = ("application/octet-stream", makeself())
    env = {"WHEELHOUSE_MIRRORS": f"http://127.0.0.1:9/={world.index.url}/"}
    shared = ("--cache", f"file://{tmp_path}/cache")
    first = world.invoke(*WORDS, *shared, "--cache-key", str(key.path), **env)
    assert first.status == 0, first.err
    (tmp_path / "second").mkdir()
    other = World(root=tmp_path / "second", index=world.index)
    for name in ("recipes", "lockfiles"):
        shutil.copytree(world.root / name, other.root / name)
    (other.root / "tasks.py").symlink_to(world.root / "tasks.py")
    asked = len(world.index.asked)
    second = other.invoke(*WORDS, *shared, "--cache-trust", f"{key.path}.pub", **env)
    assert second.status == 0, second.err
    assert world.index.asked[asked:] == []
    assert second.err.count("came from there") == 1
    assert not (other.store / "builds").exists()
    for name in NAMES:
        sums = [(one.root / "wheelhouse" / name / "SHA256SUMS").read_bytes() for one in (world, other)]
        assert sums[0] == sums[1]


def test_a_matrix_that_stands_fills_a_cache_that_is_new_once(world: World, tmp_path: Path) -> None:
    key = generate_key(tmp_path / "key")
    assert world.invoke(*WORDS).status == 0
    pushing = ("--cache", f"file://{tmp_path}/cache", "--cache-key", str(key.path))
    first = world.invoke(*WORDS, *pushing)
    assert first.status == 0, first.err
    assert "1 result were pushed" in first.err
    again = world.invoke(*WORDS, *pushing)
    assert "pushed" not in again.err
    assert not any(cell["made"] for cell in json.loads(again.out)["cells"])


def test_a_cache_that_cannot_be_is_told_where_a_matrix_stands(world: World) -> None:
    assert world.invoke(*WORDS).status == 0
    assert world.invoke(*WORDS, "--cache", "gopher://x").status == 2
