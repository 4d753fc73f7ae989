"""The kept trees of a store: which of them pruning takes."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from invoking import invoke

from ascend_wheelhouse.base.events import silent
from ascend_wheelhouse.build.trees import FOLDER, USED, alone, held_trees, prune_trees
from ascend_wheelhouse.store.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store with two kept trees of torch_npu and one of the kernels; torch-npu-b is the newest of all."""
    made = Store(tmp_path / "store")
    for day, name in enumerate(("torch-npu-a", "sgl-kernel-npu-c", "torch-npu-b")):
        place = made.root / FOLDER / name
        (place / "work/source").mkdir(parents=True)
        (place / "work/source/object.o").write_bytes(b"x" * 8192)
        (place / USED).touch()
        os.utime(place / USED, (86400 * day, 86400 * day))
    return made


def left(store: Store) -> list[str]:
    return [tree.place.name for tree in held_trees(store)]


def test_pruning_leaves_the_tree_of_each_component_that_was_used_last(store: Store) -> None:
    assert left(store) == ["torch-npu-b", "sgl-kernel-npu-c", "torch-npu-a"]
    assert prune_trees(store, silent) == 8192
    assert left(store) == ["torch-npu-b", "sgl-kernel-npu-c"]
    assert prune_trees(store, silent) == 0


def test_a_tree_in_which_a_run_builds_stays(store: Store) -> None:
    with alone(store, store.root / FOLDER / "torch-npu-a", silent):
        assert prune_trees(store, silent) == 0
    assert "torch-npu-a" in left(store)


def test_invoke_cache_tells_what_they_take_and_prunes_them(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WHEELHOUSE_STORE", str(store.root))
    assert invoke("cache", root=tmp_path) == 0
    shown = capsys.readouterr().out
    assert "3 kept trees, 25 kB" in shown
    assert re.search(r"^sgl-kernel-npu-c +8 kB +\d+ days ago$", shown, re.MULTILINE)
    assert invoke("cache", "--prune", "--json", root=tmp_path) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["trees"], facts["tree_bytes"], facts["freed_bytes"]) == (2, 16384, 8192)
    row = {"name": "torch-npu-b", "component": "torch-npu", "size": 8192, "used": 172800}
    assert facts["kept_trees"][0] == row
