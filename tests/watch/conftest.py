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
def served() -> Iterator[Index]:
    """The index of every world."""
    with serving() as index:
        index.speaks_json = True
        yield index


@pytest.fixture(scope="session")
def first(served: Index, tmp_path_factory: pytest.TempPathFactory) -> World:
    """A world whose lock is made; tqdm bounds numpy."""
    world = found(tmp_path_factory.mktemp("first"), served)
    del served.files["sglang-9.9-py3-none-any.whl"]
    served.offer("tqdm-4.0-py3-none-any.whl", wheel("tqdm", "4.0", ["numpy<2.5"]))
    made = world.invoke("lock", "--resolver", "uv", *CELL)
    assert made.status == 0, made.err + made.out
    return world


@pytest.fixture
def world(first: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A copy of that world; what a test puts on the index goes when it ends."""
    root = tmp_path / "world"
    shutil.copytree(first.root, root, symlinks=True)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("WHEELHOUSE_MIRRORS", "https://api.osv.dev/=http://127.0.0.1:9/")
    files = dict(first.index.files)
    yield World(root=root, index=first.index)
    first.index.files.clear()
    first.index.files.update(files)
    first.index.behaviours.clear()
