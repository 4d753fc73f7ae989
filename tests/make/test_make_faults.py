"""`invoke wheelhouse` from end to end where something is wrong: words, recipes, the index, the store, a killed run."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from index_server import cut_after, hang_up, html_page, status
from making_packages import makeself
from small_world import World, snapshot, wheel

from ascend_wheelhouse.base.events import silent
from ascend_wheelhouse.folder.check import check_sums
from ascend_wheelhouse.store.store import Store

pytest_plugins = ["world_fixtures"]


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["--torch", "2.8.9"], 3, "torch 2.8.9 has no wheel for aarch64"),
        (["--torch", "x"], 2, "--torch 'x' is not a version"),
        (["--platform", "riscv64"], 2, "Unknown platform 'riscv64'"),
        (["--npu", "a5"], 2, "Unknown NPU chip 'a5'"),
        (["--cann", "1"], 2, "--cann '1' is not a CANN version"),
        (["--cann", "6.0.0"], 2, "Nothing is known of CANN 6.0.0"),
        (["--exclude-newer", "soon"], 2, "'soon' is no date"),
        (["--resolver", "poetry"], 2, "Unknown resolver 'poetry'"),
    ],
)
def test_a_word_that_cannot_be_is_refused_with_what_could(
    finished: World, words: list[str], code: int, text: str
) -> None:
    before = snapshot(finished.folder)
    done = finished.invoke("wheelhouse", *words)
    assert done.status == code, done.err
    assert text in done.err
    assert "Next: " in done.err
    assert "Traceback" not in done.err
    assert snapshot(finished.folder) == before


def test_a_bad_recipe_is_one_report_and_leaves_the_wheelhouse(finished: World, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(finished.root, copy, symlinks=True)
    other = World(root=copy, index=finished.index)
    (copy / "recipes/torch.toml").write_text("name = ")
    (copy / "recipes/nnal.toml").write_text('name = "nnal"\ncolour = 1\n')
    done = other.make("--json")
    assert done.status == 2
    listed = json.loads(done.out.splitlines()[-1])["problems"]
    assert {problem["file"] for problem in listed} >= {"recipes/torch.toml", "recipes/nnal.toml"}
    assert other.folder.is_dir()


@pytest.mark.parametrize(
    ("behaviour", "code", "text"),
    [
        ([status(404)] * 9, 4, "einops-0.8"),
        ([hang_up] * 9, 4, "einops-0.8"),
        ([html_page()] * 9, 4, "einops-0.8"),
        ([status(302, Location="http://127.0.0.1:9/x")] * 9, 4, "http://127.0.0.1:9/x"),
    ],
)
def test_an_index_that_fails_for_good_keeps_everything_else(
    fresh_world: World, behaviour: list[Any], code: int, text: str
) -> None:
    assert fresh_world.invoke("lock", "--resolver", "uv").status == 0
    shutil.rmtree(fresh_world.store)
    fresh_world.index.behave("einops-0.8-py3-none-any.whl", *behaviour)
    done = fresh_world.make()
    assert done.status == code, done.err
    assert text in done.err
    assert not fresh_world.folder.exists()
    fresh_world.index.behaviours.clear()
    assert fresh_world.make().status == 0


@pytest.mark.parametrize("resolver", ["pip-tools", "uv"])
def test_a_project_that_has_nothing_for_the_cell_is_told_with_what_it_has(
    fresh_world: World, resolver: str
) -> None:
    """Pip says no more than that no version fits."""
    old = fresh_world.index.files.pop("numpy-2.0-py3-none-any.whl")
    fresh_world.index.offer("numpy-2.0-cp311-cp311-manylinux_2_39_aarch64.whl", old.content)
    done = fresh_world.invoke("lock", "--torch", "2.8.0", "--platform", "aarch64", "--resolver", resolver)
    assert done.status == 3
    assert "has them for cp311-cp311-manylinux_2_39_aarch64. `--glibc 2.39` takes it" in done.err


def test_an_index_that_recovers_is_not_noticed(fresh_world: World) -> None:
    assert fresh_world.invoke("lock", "--resolver", "uv").status == 0
    shutil.rmtree(fresh_world.store)
    fresh_world.index.behave("einops-0.8-py3-none-any.whl", status(500), status(500))
    fresh_world.index.behave("tqdm-4.0-py3-none-any.whl", cut_after(20))
    done = fresh_world.make(PIP_RETRIES="5")
    assert done.status == 0, done.err


def test_a_file_that_changed_behind_its_lock_is_refused_with_both_digests(fresh_world: World) -> None:
    assert fresh_world.make().status == 0
    before = snapshot(fresh_world.folder)
    shutil.rmtree(fresh_world.store)
    fresh_world.index.offer("tqdm-4.0-py3-none-any.whl", wheel("tqdm", "4.0", module="evil = 1"))
    (fresh_world.root / "mirrors.toml").write_text("[mirrors]\n")
    done = fresh_world.make()
    assert done.status == 5, done.err
    assert "tqdm-4.0-py3-none-any.whl" in done.err
    assert snapshot(fresh_world.folder) == before


def _released(fresh_world: World, content: bytes) -> Path:
    """Let NNAL be had from a mirror in a folder."""
    mirror = fresh_world.root / "mirror"
    mirror.mkdir(exist_ok=True)
    (mirror / "Ascend-cann-nnal_8.5.0_linux-aarch64.run").write_bytes(content)
    (fresh_world.root / "mirrors.toml").write_text(f'[mirrors]\n"http://127.0.0.1:9/" = "file://{mirror}/"\n')
    return mirror


def test_a_locked_release_is_fetched_again_where_the_store_lacks_it(fresh_world: World) -> None:
    _released(fresh_world, makeself())
    assert fresh_world.make("--strict").status == 0
    shutil.rmtree(fresh_world.store)
    shutil.rmtree(fresh_world.root / "wheelhouse")
    done = fresh_world.make("--strict")
    assert done.status == 0, done.err


def test_a_run_that_finds_nothing_changed_says_how_to_ask_again(fresh_world: World) -> None:
    first = fresh_world.make()
    assert "--retry asks" not in first.out
    again = fresh_world.make()
    assert "--retry asks for what is pending" in again.out
    assert "--retry asks" not in fresh_world.make("--json").out
    _released(fresh_world, makeself())
    assert fresh_world.make("--retry").status == 0
    assert "--retry asks" not in fresh_world.make().out  # nothing is pending any more


def test_what_was_pending_and_then_came_from_its_url_is_told_and_kept(fresh_world: World) -> None:
    """No lock holds it to a digest; a later run without the mirror does not drop it in silence."""
    assert fresh_world.make().status == 0
    locks = snapshot(fresh_world.root / "lockfiles")
    _released(fresh_world, makeself())
    done = fresh_world.make("--retry")
    assert done.status == 0, done.err
    digest = hashlib.sha256(makeself()).hexdigest()
    assert digest in done.out
    assert "invoke lock --upgrade" in done.out
    (package,) = (fresh_world.folder / "payloads").iterdir()
    assert snapshot(fresh_world.root / "lockfiles") == locks
    (fresh_world.root / "mirrors.toml").unlink()
    done = fresh_world.make("--retry")
    assert done.status == 0, done.err
    assert f"taken from the store, sha256 {digest}" in done.out
    assert package.read_bytes() == makeself()


@pytest.mark.parametrize("content", [b"#!/bin/sh\necho no\n", b"<!DOCTYPE html>403"])
def test_a_release_that_is_something_else_is_not_taken(fresh_world: World, content: bytes) -> None:
    assert fresh_world.make().status == 0
    _released(fresh_world, content)
    fresh_world.make("--retry")
    assert not (fresh_world.folder / "payloads").exists()


def test_a_release_that_was_replaced_behind_its_lock_is_refused(fresh_world: World) -> None:
    _released(fresh_world, makeself())
    assert fresh_world.make("--strict").status == 0
    before = snapshot(fresh_world.folder)
    shutil.rmtree(fresh_world.store)
    _released(fresh_world, makeself(b"another"))
    done = fresh_world.make("--retry")
    assert done.status == 5, done.err
    assert "Ascend-cann-nnal_8.5.0_linux-aarch64.run" in done.err
    assert snapshot(fresh_world.folder) == before


def test_a_wheel_whose_metadata_names_another_version_is_refused(fresh_world: World) -> None:
    fresh_world.index.offer("tqdm-4.0-py3-none-any.whl", wheel("tqdm", "4.0", says="4.1"))
    done = fresh_world.invoke("wheelhouse", "--resolver", "uv")
    assert done.status in {3, 5}, done.err
    assert "tqdm" in done.err
    assert not fresh_world.folder.exists()


def test_wheels_that_overwrite_each_other_never_take_the_place_of_a_good_wheelhouse(
    fresh_world: World,
) -> None:
    assert fresh_world.make().status == 0
    before = snapshot(fresh_world.folder)
    fresh_world.index.offer("tqdm-4.1-py3-none-any.whl", wheel("tqdm", "4.1", extra="torch.py"))
    done = fresh_world.make("--upgrade")
    assert done.status == 7, done.err
    assert "torch.py" in done.err
    assert snapshot(fresh_world.folder) == before
    assert fresh_world.make("--no-audit").status == 0
    audited = fresh_world.make()
    assert audited.status == 7, "what was made with --no-audit passed for a good one"


def test_a_source_archive_that_changed_in_the_store_is_never_built(fresh_world: World) -> None:
    assert fresh_world.make().status == 0
    lock = fresh_world.root / "lockfiles/sglang1.0-torch2.8.0-cann8.5.0-a3/sources.aarch64.toml"
    (source,) = tomllib.loads(lock.read_text())["source"]
    store = Store(fresh_world.store)
    store.path(source["wheel"]["sha256"]).unlink()
    archive = store.path(source["sha256"])
    archive.chmod(0o644)
    archive.write_bytes(archive.read_bytes()[:-1] + b"x")
    shutil.rmtree(fresh_world.root / "wheelhouse")
    done = fresh_world.make("--offline")
    assert done.status == 5, done.err
    assert "sglang-1.0.tar.gz" in done.err
    assert not fresh_world.folder.exists()


def test_a_killed_run_goes_on_where_it_was(fresh_world: World) -> None:
    assert fresh_world.invoke("lock", "--resolver", "uv").status == 0
    shutil.rmtree(fresh_world.store)
    fresh_world.index.behave("torch-2.8.0-py3-none-any.whl", lambda _handler: time.sleep(30))
    running = subprocess.Popen(
        [Path(sys.executable).parent / "invoke", "wheelhouse"],
        cwd=fresh_world.root,
        env=fresh_world.env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while not fresh_world.index.requests_for("torch-2.8.0-py3-none-any.whl") and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    assert not fresh_world.folder.exists()
    done = fresh_world.make()
    assert done.status == 0, done.err


def test_a_store_that_cannot_be_written_is_said_and_exit_10(fresh_world: World) -> None:
    fresh_world.store.write_text("a file where the folder should be")
    done = fresh_world.make()
    assert done.status == 10, done.err
    assert "Traceback" not in done.err


def test_a_wheel_that_changed_in_the_store_is_fetched_again_or_refused(fresh_world: World) -> None:
    assert fresh_world.make().status == 0
    wheel = next((fresh_world.root / "wheelhouse").rglob("einops-*.whl"))
    good = wheel.read_bytes()
    blob = Store(fresh_world.store).path(hashlib.sha256(good).hexdigest())
    shutil.rmtree(fresh_world.root / "wheelhouse")

    def spoil() -> None:
        blob.unlink(missing_ok=True)
        blob.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))

    spoil()
    refused = fresh_world.make("--offline", "--no-audit")
    assert refused.status == 5, refused.err
    assert wheel.name in refused.err
    assert not wheel.exists()

    spoil()
    assert fresh_world.make("--no-audit").status == 0
    assert wheel.read_bytes() == good


def test_two_runs_at_once_both_end_well(fresh_world: World) -> None:
    """Whichever comes first, a whole folder stands at the end and nothing lies beside it."""
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(lambda _: fresh_world.make(), range(2)))
    assert [one.status for one in done] == [0, 0], [one.err for one in done]
    (folder,) = (path for path in (fresh_world.root / "wheelhouse").iterdir() if path.name != ".state")
    assert check_sums(folder, silent) > 0
