"""A cell that no stack has is that of its lock where no index answers, as behind the air gap."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from index_server import serving
from small_world import World, found, snapshot, wheel

_TORCH = ("--torch", "2.8.1")
_NEW = (
    ("torch", "2.8.1", ["numpy"]),
    ("torch-npu", "2.8.1", ["torch==2.8.1"]),
    ("torchvision", "0.23.1", ["torch==2.8.1"]),
)
_NOBODY = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "0"}


@pytest.fixture
def derived_world(tmp_path: Path) -> Iterator[World]:
    with serving() as index:
        made = found(tmp_path / "world", index)
        for name, version, requires in _NEW:
            filename = f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
            index.offer(filename, wheel(name, version, requires))
        yield made


def made_again(world: World, *words: str, **env: str) -> None:
    """Make the wheelhouse once more from the store, and hold its wheels to being the same."""
    (folder,) = (world.root / "wheelhouse").glob("sglang*")
    before = snapshot(folder / "wheels")
    shutil.rmtree(world.root / "wheelhouse")
    done = world.make(*_TORCH, *words, **env)
    assert done.status == 0, done.err
    assert snapshot(folder / "wheels") == before


def test_its_lock_says_what_it_is(derived_world: World) -> None:
    assert derived_world.make(*_TORCH).status == 0
    asked = len(derived_world.index.asked)
    made_again(derived_world, "--offline")
    assert len(derived_world.index.asked) == asked
    made_again(derived_world, **_NOBODY)
    done = derived_world.invoke(
        "bundle", *_TORCH, "--allow-incomplete", "--serial", "1", "--out", "b.tar", **_NOBODY
    )
    assert done.status == 0, done.err


@pytest.mark.parametrize("words", [("fetch",), ("wheelhouse", "--dry-run")], ids=lambda words: words[0])
def test_no_index_is_asked_what_it_is_where_none_may_be(derived_world: World, words: tuple[str, ...]) -> None:
    assert derived_world.make(*_TORCH).status == 0
    asked = len(derived_world.index.asked)
    done = derived_world.invoke(*words, "--offline", *_TORCH)
    assert done.status == 0, done.err
    assert len(derived_world.index.asked) == asked


def test_without_a_lock_it_is_told_that_nothing_knows_it(derived_world: World) -> None:
    done = derived_world.make(*_TORCH, "--offline", "--json")
    told = json.loads(done.out.splitlines()[-1])
    assert (done.status, told["error"]) == (4, "VersionsOfflineError")
    assert told["next"].startswith("`invoke lock --torch 2.8.1 ")
    assert not derived_world.index.asked
    unreachable = derived_world.make(*_TORCH, **_NOBODY)
    assert unreachable.status == 4
    assert "127.0.0.1:9" in unreachable.err
