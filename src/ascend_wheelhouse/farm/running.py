"""What every step does on the worker that runs it: it has its files first, can be stopped, and ends in an answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from distributed import get_worker

from ascend_wheelhouse.base import counting
from ascend_wheelhouse.base.clock import SystemClock
from ascend_wheelhouse.base.errors import HostUnfitError
from ascend_wheelhouse.base.events import Emit, Event, JobProgress
from ascend_wheelhouse.base.process import Leash
from ascend_wheelhouse.build.builder import DiskFullError
from ascend_wheelhouse.build.worker import told
from ascend_wheelhouse.farm.carrying import PLUGIN
from ascend_wheelhouse.farm.step import AnswerT, Order
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


class HandedBackError(HostUnfitError):
    """This worker cannot do a step, and another one may."""


@dataclass(frozen=True, kw_only=True)
class Running:
    """A step while it runs.

    Args:
        order: What was sent.
        plugin: What the steps of this worker share.
        worker: The worker.
        leash: Ends the commands of the step.
    """

    order: Order
    plugin: BuildPlugin
    worker: Worker
    leash: Leash

    @property
    def emit(self) -> Emit:
        """What sends events to the master."""
        return _telling(self.worker, self.order.topic)


def run_here(order: Order, answer_of: type[AnswerT], work: Callable[[Running, AnswerT], AnswerT]) -> AnswerT:
    """Do a step on the worker that runs this.

    Args:
        order: What was sent.
        answer_of: The answer's class.
        work: Does it, its files in the store, and returns the answer that it is given with what it made.
    """
    worker = get_worker()
    plugin: BuildPlugin = worker.plugins[PLUGIN]  # type: ignore[assignment]
    key = str(worker.get_current_task())
    leash = plugin.leash(key)
    answer = answer_of(worker=worker.address, name=str(worker.name))
    running = Running(order=order, plugin=plugin, worker=worker, leash=leash)
    try:
        with leash.held(), plugin.store.in_use():
            _await_files(running)
            return work(running, answer)
    except (DiskFullError, StoreFullError, HandedBackError) as error:
        return replace(answer, elsewhere=error.what)
    except Exception as error:  # noqa: BLE001 - the master raises it again
        return replace(answer, error=told(error), stopped=leash.stopped)
    finally:
        plugin.done(key)


def _await_files(running: Running) -> None:
    """Ask the master for what is not here, and wait while something still comes."""
    arrivals, store = running.plugin.arrivals, running.plugin.store
    lacking = _lacking(running.order, store)
    for sha256 in lacking:
        arrivals.trouble.pop(sha256, None)  # an earlier step's, which was handed back for another file
    asked, heard, since = -_ASK_AGAIN, 0, _CLOCK.monotonic()
    while lacking and not running.leash.stopped:
        now = _CLOCK.monotonic()
        if arrivals.received != heard:
            heard, since = arrivals.received, now
        for sha256 in lacking:
            if trouble := arrivals.trouble.pop(sha256, ""):
                raise HandedBackError(trouble)
        if now - since > _PATIENCE:
            raise HandedBackError(
                f"{counting.counted(len(lacking), 'file')} did not arrive within {_PATIENCE:.0f} s"
            )
        if now - asked > _ASK_AGAIN:
            running.worker.log_event(running.order.topic, wanted(running.worker.address, lacking))
            asked = now
        running.leash.wait(_GLANCE)
        lacking = _lacking(running.order, store)


def _lacking(order: Order, store: Store) -> list[str]:
    return [sha256 for sha256, size in order.files.items() if not store.has(sha256, size)]


def _telling(worker: Worker, topic: str) -> Emit:
    """Return what sends events to the master; of a command's many lines a few a second."""
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
