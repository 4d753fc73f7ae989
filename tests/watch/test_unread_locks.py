"""A lock that cannot be read beside others: they are made anew, and no stack moves without one of its locks."""

from __future__ import annotations

import json
import shutil

import pytest
from small_world import World, wheel
from watched_world import LOCK, lock_files

pytest_plugins = ["watched_fixtures"]

_APPLY = ("watch", "--apply", "--resolver", "uv", "--json")
_NOBODY = {"WHEELHOUSE_MIRRORS": "https://api.osv.dev/=http://127.0.0.1:9/", "PIP_RETRIES": "0"}


def _spoiled(world: World, file: str) -> str:
    """Put a spoiled lock of the same stack beside the sound one; return its name."""
    folder = world.root / "lockfiles" / f"{LOCK}-glibc2.34"
    shutil.copytree(world.root / "lockfiles" / LOCK, folder)
    (folder / file).write_text("<<<<<<< HEAD\n" + (folder / file).read_text())
    return f"{folder.name}/aarch64"


@pytest.mark.parametrize("file", ["sources.aarch64.toml", "pylock.aarch64.toml"])
def test_other_locks_are_made_anew_and_their_stack_does_not_move(world: World, file: str) -> None:
    """What the second lock says of its cell is read in the first case, and not in the second."""
    name, before = _spoiled(world, file), lock_files(world)
    world.index.offer("numpy-2.4-py3-none-any.whl", wheel("numpy", "2.4"))
    world.index.offer(
        "torch_npu-2.8.0.post4-py3-none-any.whl", wheel("torch-npu", "2.8.0.post4", ["torch==2.8.0"])
    )
    stays = world.invoke(*_APPLY, "--only", "torch-npu", **_NOBODY)
    assert (stays.status, lock_files(world)) == (2, before), stays.out + stays.err
    assert [one["locks"] for one in json.loads(stays.out)["failed"]] == [[f"{LOCK}/aarch64"]]
    ended = world.invoke(*_APPLY, **_NOBODY)
    assert ended.status == 2, ended.out + ended.err
    said = json.loads(ended.out)
    assert [one["lock"] for one in said["unread"]] == [name]
    assert [one["lock"] for one in said["applied"]] == [f"{LOCK}/aarch64"]
    now = lock_files(world)
    assert {path.split("/")[1] for path, data in now.items() if before[path] != data} == {LOCK}
