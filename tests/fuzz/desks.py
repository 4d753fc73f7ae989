"""A project folder with a finished wheelhouse, and commands that run in this process as a user would start them."""

from __future__ import annotations

import importlib.util
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from index_server import serving
from invoke.collection import Collection
from invoke.program import Program
from outcome import Ended, run
from small_world import World, found


@dataclass(frozen=True, kw_only=True)
class Desk:
    """A world whose wheelhouse is made, and the program that a user of it types to."""

    world: World
    program: Program

    def invoke(self, *words: str) -> Ended:
        """Run `invoke` in this process; the same words in a shell do the same."""
        return run(lambda: self.program.run(["invoke", *words]))

    @contextmanager
    def holding(self, path: Path, data: bytes) -> Iterator[None]:
        """Put bytes in the place of a file, and what was there back in the end."""
        before = path.read_bytes() if path.exists() else None
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_bytes(data)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
            if before is not None:
                path.write_bytes(before)


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


@pytest.fixture(scope="module")
def desk(finished_world: World) -> Iterator[Desk]:
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
        yield Desk(world=finished_world, program=_program(root))


def _program(root: Path) -> Program:
    spec = importlib.util.spec_from_file_location("tasks_of_the_desk", root / "tasks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return Program(namespace=Collection.from_module(module))
