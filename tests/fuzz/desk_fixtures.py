"""One world for all fuzzing of commands: its wheelhouse is made once."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from desks import Desk, program_of
from index_server import serving
from small_world import World, found


@pytest.fixture(scope="session")
def finished_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world whose wheelhouse is made, so deep in the tree that paths that climb stay in the test's own folder."""
    root = tmp_path_factory.mktemp("deep") / "a" / "b" / "c" / "d"
    root.mkdir(parents=True)
    with serving() as index:
        world = found(root, index)
        made = world.make()
        assert made.status == 0, made.err + made.out
        yield world


@pytest.fixture(scope="session")
def first_state(finished_world: World) -> Path:
    """What the first run noted of its wheelhouse; what is typed later may make others, with states of their own."""
    (state,) = (finished_world.root / "wheelhouse/.state").glob("*.json")
    return state


@pytest.fixture(scope="module")
def desk(finished_world: World, first_state: Path) -> Iterator[Desk]:
    """A desk whose environment is that of a user on a host of their own, the network's edge on the loopback."""
    root = finished_world.root
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            patch.delenv(name)
        for name, value in finished_world.env.items():
            patch.setenv(name, value)
        patch.setenv("PIP_RETRIES", "0")
        (root / "tmp").mkdir(exist_ok=True)
        patch.setenv("TMPDIR", str(root / "tmp"))
        patch.setattr(tempfile, "tempdir", None)
        patch.chdir(root)
        yield Desk(world=finished_world, program=program_of(root), state=first_state)
