"""A farm of one test: a scheduler of its own that runs, with no worker yet."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from farm_rig import Rig, rig


@pytest.fixture
def one_scheduler(tmp_path: Path) -> Iterator[Rig]:
    """Give a farm whose scheduler runs."""
    with rig(tmp_path / "farm") as made:
        made.scheduler()
        yield made
