"""What somebody changes while a run is at work is not taken for what the run was made from."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from index_server import Handler, serving
from making_packages import makeself
from small_world import World, found

from ascend_wheelhouse.base import whole_file
from ascend_wheelhouse.folder import assemble
from ascend_wheelhouse.make import freshness

_CONTEXT = multiprocessing.get_context("fork")
TORCH = "torch-2.8.0-py3-none-any.whl"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with serving() as index:
        yield found(tmp_path, index)


def edit_a_recipe(world: World) -> None:
    with (world.root / "recipes/sglang.toml").open("a") as file:
        file.write("# said later\n")


def import_a_file(world: World) -> None:
    package = world.root / "Ascend-cann-nnal_8.5.0_linux-aarch64.run"
    package.write_bytes(makeself())
    done = world.invoke("vendor", package.name)
    assert done.status == 0, done.err


def move_a_pin(world: World) -> None:
    (path,) = world.root.glob("lockfiles/*/pylock.aarch64.toml")
    path.write_text(path.read_text() + "# moved\n")


@pytest.mark.parametrize("change", [edit_a_recipe, import_a_file, move_a_pin])
def test_the_next_run_sees_what_was_changed_during_the_last(
    world: World, change: Callable[[World], None]
) -> None:
    def while_it_fetches(handler: Handler) -> None:
        change(world)
        handler.send_file(world.index.files[TORCH])

    assert world.invoke("lock", "--resolver", "uv").status == 0
    for path in world.store.glob("blobs/*/*"):
        if path.read_bytes() == world.index.files[TORCH].content:
            path.unlink()
    world.index.behave(TORCH, while_it_fetches)
    made = world.make()
    assert made.status == 0, made.err
    first = world.folder.stat().st_ino

    assert world.make().status == 0
    second = world.folder.stat().st_ino
    assert second != first
    assert world.make().status == 0
    assert world.folder.stat().st_ino == second


def test_whether_there_is_anything_to_do_is_told_while_another_run_writes_lock_and_folder(
    tmp_path: Path,
) -> None:
    folder, lock, state = tmp_path / "wheelhouse/w", tmp_path / "lockfiles/s", tmp_path / "state.json"
    over = _CONTEXT.Event()

    def make() -> None:
        with assemble.replacing(folder) as part:
            for number in range(30):
                (part / f"{number}").write_text("same")
        whole_file.write_set(lock, "aarch64", {f"{number}.toml": b"same" for number in range(5)})

    def make_again() -> None:
        while not over.is_set():
            make()

    make()
    given, pinned = freshness.given_digest(tmp_path, tmp_path / "store"), freshness.lock_digest(lock)
    files = freshness.stamps(folder)
    inputs = freshness.inputs_digest(given, pinned)
    freshness.remember(state, folder=folder, lock_folder=lock, inputs=inputs, files=files)
    process = _CONTEXT.Process(target=make_again)
    process.start()
    try:
        for _ in range(300):
            assert freshness.lock_digest(lock) == pinned
            answer = freshness.fresh(state, root=tmp_path, store=tmp_path / "store", output=folder.parent)
            assert answer in {None, folder}
    finally:
        over.set()
        process.join()
    assert process.exitcode == 0
