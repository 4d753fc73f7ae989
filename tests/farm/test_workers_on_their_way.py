"""Workers that are away for a while, as after a scheduler that was started anew: a step waits for them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from making_builds import Bench
from sdists import recipe, where

from ascend_wheelhouse.base import process
from ascend_wheelhouse.base.events import Note
from ascend_wheelhouse.farm import farm as farming
from ascend_wheelhouse.farm.demand import Demand, Unmet
from ascend_wheelhouse.farm.farm import Farm
from ascend_wheelhouse.farm.identity import own_version
from ascend_wheelhouse.farm.labels import Labels

_ANNA = {"tcp://anna": ("anna", Labels(version=own_version(), named={"machine": ("x86_64",)}), 1)}
Looks = Callable[..., Any]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(root=tmp_path / "store")


def _farm(bench: Bench, *looks: dict[str, Any]) -> Farm:
    """Return a farm that has these workers, look by look; the last one stays."""
    left = list(looks)

    def workers(*, recent: bool = False) -> dict[str, Any]:
        del recent
        return left.pop(0) if len(left) > 1 else left[0]

    return Farm(cast("Any", SimpleNamespace(workers=workers)), bench.events.append)


def test_a_build_waits_for_a_worker_that_was_there(bench: Bench) -> None:
    farm = _farm(bench, _ANNA, *[{}] * 4, _ANNA)
    assert farm.workers
    assert isinstance(farm.demand(recipe(), where(), bench.workshop), Demand)
    (told,) = [event.text for event in bench.events if isinstance(event, Note)]
    assert told.startswith("server waits up to 60 s for a worker that was there")


def test_a_build_that_no_worker_could_ever_do_waits_for_none(bench: Bench) -> None:
    assert isinstance(_farm(bench, {}).demand(recipe(), where(), bench.workshop), Unmet)
    assert bench.events == []


def test_workers_that_do_not_come_back_are_waited_for_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(farming, "BACK_SECONDS", 0.3)
    farm = _farm(bench, _ANNA, {})
    assert farm.workers
    for _ in range(2):
        assert isinstance(farm.demand(recipe(), where(), bench.workshop), Unmet)
    assert len(bench.events) == 1


def test_who_waits_for_a_worker_can_be_stopped(bench: Bench) -> None:
    farm = _farm(bench, _ANNA, {})
    assert farm.workers
    process.stop_all()
    try:
        with pytest.raises(KeyboardInterrupt):
            farm.demand(recipe(), where(), bench.workshop)
    finally:
        process.resume()
