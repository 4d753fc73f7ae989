from __future__ import annotations

import threading
from collections.abc import Mapping

import pytest

from ascend_wheelhouse.base.errors import BuildError
from ascend_wheelhouse.build.scheduler import Step, StepCycleError, run_all


class Meter:
    """Counts how much runs at once; each step waits until `together` have begun."""

    def __init__(self, together: int) -> None:
        self.guard = threading.Lock()
        self.now: list[int] = []
        self.most = 0
        self.barrier = threading.Barrier(together)

    def run(self, memory: int) -> int:
        """Count as running, with `memory`, until enough others run too."""
        with self.guard:
            self.now.append(memory)
            self.most = max(self.most, sum(self.now))
        self.barrier.wait(120)
        with self.guard:
            self.now.remove(memory)
        return memory


def fail(_results: Mapping[str, int]) -> int:
    raise BuildError("broken")


def test_a_step_gets_the_results_of_what_it_needs() -> None:
    steps = [
        Step(name="last", run=lambda given: given["first"] + given["second"], needs=("first", "second")),
        Step(name="first", run=lambda _: 1),
        Step(name="second", run=lambda given: given["first"] + 1, needs=("first",)),
    ]
    outcomes = run_all(steps, workers=2, memory_mb=100)
    assert outcomes["last"].result == 3


def test_a_failure_stops_those_that_need_it_and_no_others() -> None:
    steps: list[Step[int]] = [
        Step(name="broken", run=fail),
        Step(name="above", run=lambda _: 1, needs=("broken",)),
        Step(name="higher", run=lambda _: 1, needs=("above",)),
        Step(name="beside", run=lambda _: 2),
    ]
    outcomes = run_all(steps, workers=1, memory_mb=100)
    assert isinstance(outcomes["broken"].error, BuildError)
    assert (outcomes["above"].stopped_by, outcomes["higher"].stopped_by) == ("broken", "above")
    assert outcomes["beside"].result == 2


def test_steps_run_side_by_side_within_the_memory() -> None:
    meter = Meter(together=2)
    steps: list[Step[int]] = [
        Step(name=str(number), run=lambda _: meter.run(40), memory_mb=40) for number in range(4)
    ]
    run_all(steps, workers=4, memory_mb=100)
    assert meter.most == 80


def test_a_step_that_needs_more_than_there_is_runs_alone() -> None:
    outcomes = run_all([Step(name="big", run=lambda _: 1, memory_mb=900)], workers=2, memory_mb=100)
    assert outcomes["big"].result == 1


def test_a_circle_is_told_by_its_names() -> None:
    steps: list[Step[int]] = [
        Step(name="a", run=lambda _: 1, needs=("b",)),
        Step(name="b", run=lambda _: 1, needs=("a",)),
    ]
    with pytest.raises(StepCycleError, match=r"^Steps need one another in a circle: \w( -> \w){2}\."):
        run_all(steps, workers=1, memory_mb=1)


def test_a_need_outside_the_run_counts_as_done() -> None:
    steps: list[Step[int]] = [Step(name="a", run=lambda _: 1, needs=("elsewhere",))]
    assert run_all(steps, workers=1, memory_mb=1)["a"].result == 1
