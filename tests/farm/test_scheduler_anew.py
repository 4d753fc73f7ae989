"""A scheduler that is started anew between two builds, before its workers have joined again."""

from __future__ import annotations

from pathlib import Path

from farm_rig import Rig, joined
from making_builds import Bench
from sdists import PUBLISHED, recipe, sdist, sources, where

pytest_plugins = ["farm_fixtures"]


def test_a_build_that_begins_before_the_workers_are_back_is_done(one_scheduler: Rig, tmp_path: Path) -> None:
    bench = Bench(root=tmp_path / "store")
    tree = sources(bench, sdist(tmp_path, {"pyproject.toml": PUBLISHED}))
    one_scheduler.worker("anna")
    with joined(one_scheduler, bench) as (farm, workshop):
        one_scheduler.kill("scheduler")
        one_scheduler.scheduler()
        built = farm.build(recipe(), where(), tree, workshop)
    assert isinstance(built, list), built
