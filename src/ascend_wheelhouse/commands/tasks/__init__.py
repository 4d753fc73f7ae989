"""The tasks of `invoke`: words of the command line in, one options object made of them, one command called.

Whatever cannot be is refused here, with exit code 2. Imports stand inside the tasks, because `invoke wheelhouse` with
nothing to do must cost little more than importing invoke.
"""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

from invoke.collection import Collection
from invoke.tasks import Task

from ascend_wheelhouse.base import ast_lock
from ascend_wheelhouse.commands.tasks import (
    building,
    carrying,
    farming,
    holding,
    making,
    many,
    proving,
    showing,
    watching,
)

TOPICS: tuple[ModuleType, ...] = (
    making,
    many,
    building,
    holding,
    watching,
    carrying,
    proving,
    showing,
    farming,
)


def collection(root: Path) -> Collection:
    """Return every task, for the project folder `root`."""
    ast_lock.serialise()
    tasks = [one for topic in TOPICS for one in vars(topic).values() if isinstance(one, Task)]
    found = Collection(*tasks)
    found.configure({"project": {"root": str(root)}})
    return found
