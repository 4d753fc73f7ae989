"""The workers as all builds of a run have seen them last: one look for many builds, and none that sees too little."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from farm_rig import Rig
from making_builds import Bench
from sdists import PUBLISHED, recipe, sdist, sources, where

from ascend_wheelhouse.base.events import silent
from ascend_wheelhouse.farm import link as linking
from ascend_wheelhouse.farm.choice import FarmChoice
from ascend_wheelhouse.farm.farm import Farm
from ascend_wheelhouse.farm.link import Link

pytest_plugins = ["farm_fixtures"]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(root=tmp_path / "store")


@pytest.fixture
def link(one_scheduler: Rig, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Iterator[Link]:
    """Give a connection whose looks stay recent for an hour, so that no test hangs on a clock."""
    monkeypatch.setattr(linking, "RECENT_SECONDS", 3600.0)
    made = Link(one_scheduler.address, FarmChoice(scheduler=one_scheduler.address), bench.store, silent)
    yield made
    made.close()


def test_builds_that_ask_together_share_one_look(link: Link) -> None:
    with ThreadPoolExecutor(8) as pool:
        looks = list(pool.map(lambda _: link.recent_workers(link.client), range(40)))
    assert len({id(rows) for rows in looks}) == 1


def test_a_look_that_is_no_longer_recent_is_not_used(link: Link, monkeypatch: pytest.MonkeyPatch) -> None:
    first = link.recent_workers(link.client)
    monkeypatch.setattr(linking, "RECENT_SECONDS", 0.0)
    assert link.recent_workers(link.client) is not first


def test_a_recent_look_does_not_hide_that_the_connection_is_gone(link: Link) -> None:
    client = link.client
    assert link.recent_workers(client) == {}
    client.close()
    with pytest.raises(ConnectionError, match="is away"):
        link.recent_workers(client)
    link.restore(client)
    assert link.workers(recent=True) == {}


def test_a_worker_that_joined_since_the_last_look_is_given_a_build(
    one_scheduler: Rig, link: Link, bench: Bench, tmp_path: Path
) -> None:
    assert link.workers(recent=True) == {}
    one_scheduler.worker("anna")
    tree = sources(bench, sdist(tmp_path, {"pyproject.toml": PUBLISHED}))
    built = Farm(link, silent).build(recipe(), where(), tree, bench.workshop)
    assert isinstance(built, list), built
