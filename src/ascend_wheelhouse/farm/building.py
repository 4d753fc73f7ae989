"""A build as a step of the farm: on the worker from its sources to wheels, and at home with its wheels in the store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from ascend_wheelhouse.base.scratch import scratch
from ascend_wheelhouse.build.command import build_component
from ascend_wheelhouse.build.outcome import RECORD, BuiltWheel, PendingBuild
from ascend_wheelhouse.farm.carrying import bring
from ascend_wheelhouse.farm.demand import Demand
from ascend_wheelhouse.farm.errors import BuildLostError, OddAnswerError
from ascend_wheelhouse.farm.order import BuildAnswer, BuildOrder, Dispatch
from ascend_wheelhouse.node import documents
from ascend_wheelhouse.store.store import Store

if TYPE_CHECKING:
    from distributed import Client

    from ascend_wheelhouse.farm.running import Running


def build_here(order: BuildOrder) -> BuildAnswer:
    """Build what an order says, on the worker that runs this."""
    from ascend_wheelhouse.farm.running import run_here

    return run_here(order, BuildAnswer, partial(_built, order))


def _built(order: BuildOrder, running: Running, answer: BuildAnswer) -> BuildAnswer:
    plugin = running.plugin
    with scratch() as lockfiles:
        order.put_records(plugin.store)
        workshop = order.workshop(replace(plugin.workshop, emit=running.emit), lockfiles)
        outcome = build_component(order.recipe, order.cell, order.sources, workshop)
    if isinstance(outcome, PendingBuild):
        return replace(answer, pending=outcome)
    return replace(answer, wheels=tuple(outcome))


@dataclass(frozen=True, kw_only=True)
class BuildStep:
    """One build; meets `step.FarmStep`.

    Args:
        dispatch: The build as it is sent.
        store: Where its wheels go.
    """

    dispatch: Dispatch
    store: Store
    past: str = "built"

    @property
    def name(self) -> str:
        """The component."""
        return self.dispatch.order.recipe.name

    @property
    def key(self) -> str:
        """The key that it is submitted under."""
        return self.dispatch.key

    @property
    def demand(self) -> Demand:
        """What it asks of a worker."""
        return self.dispatch.demand

    @property
    def order(self) -> BuildOrder:
        """What is sent."""
        return self.dispatch.order

    def function(self) -> Callable[[BuildOrder], BuildAnswer]:
        """Return what a worker calls with the order."""
        return build_here

    def home(self, client: Client, answer: BuildAnswer) -> list[BuiltWheel] | PendingBuild:
        """Bring the wheels home: the store knows of the build once it has all of them.

        Raises:
            CarryError: Their worker is gone.
            OddAnswerError: What the worker says of them is no record of a build.
        """
        if answer.pending is not None:
            return answer.pending
        record = _record(answer.wheels)
        if fault := documents.fault(record, RECORD):
            raise OddAnswerError(self.name, answer.name, fault)
        for wheel in answer.wheels:
            bring(client, answer.worker, self.store, wheel.sha256, wheel.size)
        for key in {wheel.key for wheel in answer.wheels}:
            self.store.put_result(f"build-{key}", record)
        return list(answer.wheels)

    def lost(self, worker: str) -> BuildLostError:
        """Return the error where one worker after the other died over it."""
        return BuildLostError(self.name, worker, "it ended without a word")


def _record(wheels: tuple[BuiltWheel, ...]) -> dict[str, object]:
    return {"wheels": [wheel.as_record() for wheel in wheels]}
