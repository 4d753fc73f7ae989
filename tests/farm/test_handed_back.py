"""A step that one worker handed back goes to whoever fits, to one that joined later as well."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from distributed import get_worker
from farm_rig import Rig, until

from ascend_wheelhouse.base.events import silent
from ascend_wheelhouse.farm.choice import FarmChoice
from ascend_wheelhouse.farm.demand import Demand
from ascend_wheelhouse.farm.link import Link
from ascend_wheelhouse.farm.step import StepAnswer
from ascend_wheelhouse.farm.submitted import Submitted
from ascend_wheelhouse.store.store import Store

pytest_plugins = ["farm_fixtures"]


@dataclass(frozen=True, kw_only=True)
class HandedBack:
    """A step that leaves its worker's name in a folder; anna hands it back on a word, bob never ends."""

    order: Any
    name: str = "kernels"
    past: str = "built"
    key: str = "handed-back"
    demand: Demand = field(default_factory=lambda: Demand(labels={}))

    def function(self) -> Callable[[Any], StepAnswer]:
        """Return what travels as it is: a worker does not have this module."""

        def done(order: Any) -> StepAnswer:  # noqa: ANN401 - a folder's name

            worker, folder = get_worker(), Path(order)
            name = str(worker.name)
            (folder / name).touch()
            while name == "bob" or (name == "anna" and not (folder / "back").exists()):
                time.sleep(0.05)
            return StepAnswer(worker=worker.address, name=name, elsewhere="full." if name == "anna" else "")

        return done

    def home(self, _client: object, answer: StepAnswer) -> str:
        """Return who did it."""
        return answer.name

    def lost(self, worker: str) -> Any:  # noqa: ANN401 - not reached
        """Return an error."""
        return AssertionError(worker)


def test_a_step_whose_last_worker_left_goes_to_one_that_joined_since(
    one_scheduler: Rig, tmp_path: Path
) -> None:
    choice, found = FarmChoice(scheduler=one_scheduler.address), []
    one_scheduler.worker("anna")
    link = Link(one_scheduler.address, choice, Store(tmp_path / "store"), silent)
    step = HandedBack(order=str(tmp_path))
    waiting = threading.Thread(target=lambda: found.append(Submitted(link, step, silent).outcome()))
    try:
        waiting.start()
        until((tmp_path / "anna").exists, "anna has it")
        one_scheduler.worker("bob")
        (tmp_path / "back").touch()
        until((tmp_path / "bob").exists, "bob has it")
        one_scheduler.worker("carl")
        one_scheduler.kill("bob")
        waiting.join(60)
        assert found == ["carl"]
    finally:
        one_scheduler.present("carl")
        link.close()
