"""A build that is stopped leaves nothing among the temporary files of its user."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from farm_rig import programs, sleeping, until
from making_builds import Bench
from sdists import PUBLISHED, recipe, sdist, sources, where

from ascend_wheelhouse.base import process
from ascend_wheelhouse.base.errors import WheelhouseError
from ascend_wheelhouse.build.command import build_component


def test_a_backend_that_is_killed_leaves_no_request_of_its_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench, mark, ours = Bench(root=tmp_path / "store"), f"600.{os.getpid()}", tmp_path / "tmp"
    path = sdist(tmp_path, {"pyproject.toml": PUBLISHED, "backend.py": sleeping(mark)})
    tree = sources(bench, path)
    ours.mkdir()
    monkeypatch.setenv("TMPDIR", str(ours))

    def build() -> None:
        with suppress(WheelhouseError):
            build_component(recipe(), where(), tree, bench.workshop)

    building = threading.Thread(target=build)
    building.start()
    try:
        until(lambda: programs(mark), "the backend runs")
        process.stop_all()
        building.join(60)
    finally:
        process.resume()
    until(lambda: not programs(mark), "the backend is gone")
    assert [path.name for path in ours.iterdir()] == []
