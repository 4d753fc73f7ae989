"""Steps that wait for one another, run side by side as far as workers and memory allow.

A step that fails stops those that need it and no others: the run goes on, and every outcome is returned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Generic, TypeVar

from ascend_wheelhouse.base.errors import UsageError, WheelhouseError

_Result = TypeVar("_Result")


class StepCycleError(UsageError):
    """Steps need one another in a circle."""


@dataclass(frozen=True, kw_only=True)
class Step(Generic[_Result]):
    """One thing to do.

    Args:
        name: Its name, unique in a run.
        run: Does it, given the results of what it needs, by name.
        needs: Names of steps that must be done before.
        memory_mb: What it may need at most, in MiB.
    """

    name: str
    run: Callable[[Mapping[str, _Result]], _Result]
    needs: tuple[str, ...] = ()
    memory_mb: int = 0


@dataclass(frozen=True, kw_only=True)
class StepOutcome(Generic[_Result]):
    """How a step ended: its result, its error, or the step for whose failure it was not begun."""

    name: str
    result: _Result | None = None
    error: WheelhouseError | None = None
    stopped_by: str = ""


def run_all(
    steps: Iterable[Step[_Result]], *, workers: int, memory_mb: int
) -> dict[str, StepOutcome[_Result]]:
    """Run every step and return every outcome, by name.

    Args:
        steps: The steps; a need that is not among them counts as done.
        workers: How many run side by side.
        memory_mb: What all that run may need together; one step alone may always run.

    Raises:
        StepCycleError: Some need one another in a circle.
    """
    return _Run({step.name: step for step in steps}, memory_mb).all(max(1, workers))


class _Run(Generic[_Result]):
    def __init__(self, steps: dict[str, Step[_Result]], memory_mb: int) -> None:
        self.steps = steps
        self.memory_mb = memory_mb
        self.order = TopologicalSorter(
            {step.name: [need for need in step.needs if need in steps] for step in steps.values()}
        )
        self.outcomes: dict[str, StepOutcome[_Result]] = {}
        self.running: dict[Future[_Result], Step[_Result]] = {}
        self.ready: list[Step[_Result]] = []

    def all(self, workers: int) -> dict[str, StepOutcome[_Result]]:
        self._prepare()
        with ThreadPoolExecutor(workers, thread_name_prefix="step") as pool:
            while self.order.is_active():
                self.ready += [self.steps[name] for name in self.order.get_ready()]
                self._begin(pool, workers)
                if self.running:
                    self._finish(wait(self.running, return_when=FIRST_COMPLETED).done)
        return self.outcomes

    def _prepare(self) -> None:
        try:
            self.order.prepare()
        except CycleError as error:
            raise StepCycleError(
                f"Steps need one another in a circle: {' -> '.join(map(str, error.args[1]))}.",
                next_step="correct `needs` of these recipes",
            ) from error

    def _begin(self, pool: ThreadPoolExecutor, workers: int) -> None:
        for step in sorted(self.ready, key=lambda step: -step.memory_mb):
            culprit = next((need for need in step.needs if self._failed(need)), "")
            if culprit:
                self._end(step, StepOutcome(name=step.name, stopped_by=culprit))
            elif len(self.running) < workers and self._fits(step):
                results = {need: self.outcomes[need].result for need in step.needs if need in self.outcomes}
                self.running[pool.submit(step.run, results)] = step  # type: ignore[arg-type]
                self.ready.remove(step)

    def _fits(self, step: Step[_Result]) -> bool:
        used = sum(other.memory_mb for other in self.running.values())
        return not self.running or used + step.memory_mb <= self.memory_mb

    def _failed(self, name: str) -> bool:
        outcome = self.outcomes.get(name)
        return outcome is not None and (outcome.error is not None or bool(outcome.stopped_by))

    def _end(self, step: Step[_Result], outcome: StepOutcome[_Result]) -> None:
        self.ready.remove(step)
        self.outcomes[step.name] = outcome
        self.order.done(step.name)

    def _finish(self, done: Iterable[Future[_Result]]) -> None:
        for future in done:
            step = self.running.pop(future)
            try:
                outcome = StepOutcome(name=step.name, result=future.result())
            except WheelhouseError as error:
                outcome = StepOutcome(name=step.name, error=error)
            self.outcomes[step.name] = outcome
            self.order.done(step.name)
