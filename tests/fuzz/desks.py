"""A project folder with a finished wheelhouse, and commands that run in this process as a user would start them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from invoke.parser.argument import Argument
from invoke.program import Program
from outcome import Ended, run
from small_world import World
from spoiling import ShortlyShown

from ascend_wheelhouse.commands import usage
from ascend_wheelhouse.commands.tasks import collection


@dataclass(frozen=True, kw_only=True, repr=False)
class Desk(ShortlyShown):
    """A world whose wheelhouse is made, the program that a user of it types to, and the state of that wheelhouse."""

    world: World
    program: Program
    state: Path

    def invoke(self, *words: str) -> Ended:
        """Run `invoke` in this process; the same words in a shell do the same."""
        return run(lambda: self.program.run(["invoke", *words]))

    @cached_property
    def tasks(self) -> dict[str, list[Argument]]:
        """Every task with what it takes."""
        collection = self.program.namespace
        assert collection is not None
        return {name: collection[name].get_arguments() for name in collection.task_names}

    @cached_property
    def locks(self) -> dict[Path, bytes]:
        """The files of the committed lock, as the first run wrote them."""
        return {path: path.read_bytes() for path in sorted(self.world.root.glob("lockfiles/*/*"))}

    @contextmanager
    def locked(self, path: Path, data: bytes) -> Iterator[None]:
        """Put bytes in the place of a file of the lock, and the whole lock back in the end."""
        path.write_bytes(data)
        try:
            yield
        finally:
            for each, content in self.locks.items():
                each.write_bytes(content)
            shutil.rmtree(self.world.root / "other", ignore_errors=True)

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


def program_of(root: Path) -> Program:
    """Return the program whose tasks are those of a project folder."""
    usage.propose()
    return Program(namespace=collection(root))
