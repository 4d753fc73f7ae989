"""Small worlds: a new one for each test, and one for each module whose wheelhouse is made."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from index_server import serving
from small_world import World, found


@pytest.fixture
def fresh_world(tmp_path: Path) -> Iterator[World]:
    with serving() as index:
        yield found(tmp_path, index)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world whose wheelhouse is made; tests that change it take a copy."""
    with serving() as index:
        made = found(tmp_path_factory.mktemp("world"), index)
        done = made.make("--profile", str(made.root.parent / "times.html"))
        assert done.status == 0, done.err + done.out
        yield made
