"""A world for each test, copied from one whose lock was made once, beside an index of its own state."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from index_server import Index, serving
from small_world import World, found, wheel
from watched_world import CELL


@pytest.fixture(scope="session")
def watched_index() -> Iterator[Index]:
    """The index of every world."""
    with serving() as index:
        index.speaks_json = True
        yield index


@pytest.fixture(scope="session")
def first_watched(watched_index: Index, tmp_path_factory: pytest.TempPathFactory) -> World:
    """A world whose lock is made; tqdm bounds numpy."""
    world = found(tmp_path_factory.mktemp("first"), watched_index)
    del watched_index.files["sglang-9.9-py3-none-any.whl"]
    watched_index.offer("tqdm-4.0-py3-none-any.whl", wheel("tqdm", "4.0", ["numpy<2.5"]))
    made = world.invoke("lock", "--resolver", "uv", *CELL)
    assert made.status == 0, made.err + made.out
    return world


@pytest.fixture
def world(first_watched: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A copy of that world; what a test puts on the index goes when it ends."""
    root = tmp_path / "world"
    shutil.copytree(first_watched.root, root, symlinks=True)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    files = dict(first_watched.index.files)
    yield World(root=root, index=first_watched.index)
    first_watched.index.files.clear()
    first_watched.index.files.update(files)
    first_watched.index.behaviours.clear()
