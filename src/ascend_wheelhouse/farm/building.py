"""The function that Dask runs on a worker: one build, from the files that it lacks to the answer."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from distributed import get_worker

from ascend_wheelhouse.base.clock import SystemClock
from ascend_wheelhouse.base.errors import HostUnfitError
from ascend_wheelhouse.base.events import Emit, Event, JobProgress
from ascend_wheelhouse.base.process import Leash
from ascend_wheelhouse.base.scratch import scratch
from ascend_wheelhouse.build.builder import DiskFullError
from ascend_wheelhouse.build.command import build_component
from ascend_wheelhouse.build.outcome import PendingBuild
from ascend_wheelhouse.build.worker import told
from ascend_wheelhouse.farm.carrying import PLUGIN
from ascend_wheelhouse.farm.order import BuildAnswer, BuildOrder
from ascend_wheelhouse.farm.telling import packed, wanted
from ascend_wheelhouse.store.store import Store
from ascend_wheelhouse.store.store_faults import StoreFullError

if TYPE_CHECKING:
    from distributed import Worker

    from ascend_wheelhouse.farm.plugin import BuildPlugin

_ASK_AGAIN = 5.0  # an event is lost where the scheduler was away
_PATIENCE = 60.0
_LINES_APART = 0.25
_GLANCE = 0.02
_CLOCK = SystemClock()


class _NotArrivedError(HostUnfitError):
    """Files that a build needs did not come."""


def build_here(order: BuildOrder) -> BuildAnswer:
    """Build what an order says, on the worker that runs this."""
    worker = get_worker()
    plugin: BuildPlugin = worker.plugins[PLUGIN]  # type: ignore[assignment]
    key = str(worker.get_current_task())
    leash = plugin.leash(key)
    answer = BuildAnswer(worker=worker.address, name=str(worker.name))
    try:
        with leash.held():
            return _built(order, plugin, worker, leash, answer)
    except (DiskFullError, StoreFullError, _NotArrivedError) as error:
        return dataclasses.replace(answer, elsewhere=error.what)
    except Exception as error:  # noqa: BLE001 - the master raises it again
        return dataclasses.replace(answer, error=told(error), stopped=leash.stopped)
    finally:
        plugin.done(key)


def _built(
    order: BuildOrder, plugin: BuildPlugin, worker: Worker, leash: Leash, answer: BuildAnswer
) -> BuildAnswer:
    with plugin.store.in_use(), scratch() as lockfiles:
        _await_files(order, plugin, worker, leash)
        order.put_records(plugin.store)
        base = dataclasses.replace(plugin.workshop, emit=_telling(worker, order.topic))
        workshop = order.workshop(base, lockfiles)
        outcome = build_component(order.recipe, order.cell, order.sources, workshop)
    if isinstance(outcome, PendingBuild):
        return dataclasses.replace(answer, pending=outcome)
    return dataclasses.replace(answer, wheels=tuple(outcome))


def _await_files(order: BuildOrder, plugin: BuildPlugin, worker: Worker, leash: Leash) -> None:
    """Ask the master for what is not here, and wait while something still comes."""
    lacking = _lacking(order, plugin.store)
    asked, heard, since = -_ASK_AGAIN, 0, _CLOCK.monotonic()
    while lacking and not leash.stopped:
        now = _CLOCK.monotonic()
        if plugin.arrivals.received != heard:
            heard, since = plugin.arrivals.received, now
        for sha256 in lacking:
            if trouble := plugin.arrivals.trouble.pop(sha256, ""):
                raise _NotArrivedError(trouble)
        if now - since > _PATIENCE:
            raise _NotArrivedError(f"{len(lacking)} files did not arrive within {_PATIENCE:.0f} s")
        if now - asked > _ASK_AGAIN:
            worker.log_event(order.topic, wanted(worker.address, lacking))
            asked = now
        leash.wait(_GLANCE)
        lacking = _lacking(order, plugin.store)


def _lacking(order: BuildOrder, store: Store) -> list[str]:
    return [sha256 for sha256, size in order.files.items() if not store.has(sha256, size)]


def _telling(worker: Worker, topic: str) -> Emit:
    """Return what sends events to the master; of a compiler's many lines a few a second."""
    last = 0.0

    def emit(event: Event) -> None:
        nonlocal last
        if isinstance(event, JobProgress):
            now = _CLOCK.monotonic()
            if now - last < _LINES_APART:
                return
            last = now
        worker.log_event(topic, packed(event, str(worker.name)))

    return emit
