"""A farm as a workshop sees it: builds go to a worker whose labels fit, their wheels come back into this host's store.

Dask hands the builds out, and out again where a worker dies. What it cannot know is decided here: that a worker with a
full disk is left out, that a scheduler which went away may come back, and when nobody is left to wait for.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from ascend_wheelhouse.base.clock import SystemClock
from ascend_wheelhouse.base.events import Emit, JobFinished, JobStarted, Note
from ascend_wheelhouse.base.process import stopping
from ascend_wheelhouse.build.command import Workshop
from ascend_wheelhouse.build.job import Sources
from ascend_wheelhouse.build.outcome import BuiltWheel, PendingBuild
from ascend_wheelhouse.cells.cell import Cell
from ascend_wheelhouse.cells.recipe import Recipe, supply_of
from ascend_wheelhouse.farm.building import BuildStep
from ascend_wheelhouse.farm.choice import FarmChoice
from ascend_wheelhouse.farm.connection import BACK_SECONDS, is_open_to_others
from ascend_wheelhouse.farm.demand import Demand, Unmet, demand_of
from ascend_wheelhouse.farm.errors import NoWorkersError, WorkerVersionError
from ascend_wheelhouse.farm.identity import own_version
from ascend_wheelhouse.farm.labels import Labels
from ascend_wheelhouse.farm.link import Link
from ascend_wheelhouse.farm.order import dispatch_of
from ascend_wheelhouse.farm.queued import Jobs
from ascend_wheelhouse.farm.submitted import Submitted
from ascend_wheelhouse.farm.verifying import verify_step
from ascend_wheelhouse.node.verify.report import Report
from ascend_wheelhouse.store.store import Store

FIRST_WORKER_SECONDS = 10.0
QUEUED_WORKER_SECONDS = 600.0
_TOGETHER_SECONDS = 15.0
_TOGETHER_PAUSE = 1.0
_PAUSE = 0.2
_CLOCK = SystemClock()


class Farm:
    """Builds components on the workers of a scheduler; meets `build.command.Elsewhere`.

    Args:
        link: The connection.
        emit: Told of the progress.
        known: The labels of each worker of this tool's version that was seen, by its address.
    """

    def __init__(self, link: Link, emit: Emit, known: dict[str, Labels] | None = None) -> None:
        self._link, self._emit = link, emit
        self._known = {} if known is None else known

    def telling(self, emit: Emit) -> Farm:
        """Return the same farm that tells another of the builds that it is given."""
        return Farm(self._link, emit, self._known)

    @property
    def workers(self) -> dict[str, Labels]:
        """The labels of each worker of this tool's version, by its address."""
        return self._workers(recent=False)

    def _workers(self, *, recent: bool) -> dict[str, Labels]:
        own, rows = own_version(), self._link.workers(recent=recent)
        found = {address: labels for address, (_, labels, _) in rows.items() if labels.version == own}
        self._known.update(found)
        return found

    @property
    def builds(self) -> int:
        """How many builds they do side by side."""
        own, rows = own_version(), self._link.workers().values()
        return max(1, sum(builds for _, labels, builds in rows if labels.version == own))

    def unfit(self, recipe: Recipe, cell: Cell, workshop: Workshop) -> PendingBuild | None:
        """Return why no worker can build a component; None when one can."""
        demand = demand_of(recipe, cell, workshop, self.workers)
        return self._pending(demand, recipe, cell) if isinstance(demand, Unmet) else None

    def unmet(self, recipes: Mapping[str, Recipe], cell: Cell, workshop: Workshop) -> list[Unmet]:
        """Return every build of some components that no worker can do, and tell of them in one note."""
        workers = self.workers
        demands = [demand_of(recipe, cell, workshop, workers) for recipe in recipes.values()]
        unmet = [one for one in demands if isinstance(one, Unmet)]
        if unmet:
            text = f"no worker can build {len(unmet)} of {len(demands)}: {'; '.join(map(str, unmet))}. {self._there()}"
            self._emit(Note(text=text, level="warning"))
        return unmet

    def build(
        self, recipe: Recipe, cell: Cell, sources: Sources, workshop: Workshop
    ) -> list[BuiltWheel] | PendingBuild:
        """Build a component on a worker; its wheels are in the workshop's store afterwards.

        Raises:
            WheelhouseError: What the build raised there, or why no worker could finish it.
        """
        demand = self.demand(recipe, cell, workshop)
        if isinstance(demand, Unmet):
            return self._pending(demand, recipe, cell)
        dispatch = dispatch_of(recipe, cell, sources, workshop, demand)
        with self._link.listening(dispatch.order.topic, recipe.name, self._emit):
            step = BuildStep(dispatch=dispatch, store=workshop.store)
            return Submitted(self._link, step, self._emit).outcome()

    def demand(self, recipe: Recipe, cell: Cell, workshop: Workshop) -> Demand | Unmet:
        """Return what a build is submitted with, or what no worker has; one that had it is waited for.

        Raises:
            KeyboardInterrupt: The user wants the run to end.
        """
        demand = demand_of(recipe, cell, workshop, self._workers(recent=True))
        if isinstance(demand, Unmet):  # a worker that joined since the last look may have it
            self._await_back(
                recipe.name, lambda there: isinstance(demand_of(recipe, cell, workshop, there), Demand)
            )
            demand = demand_of(recipe, cell, workshop, self.workers)
        return demand

    def _await_back(self, name: str, fits: Callable[[Mapping[str, Labels]], bool]) -> None:
        """Wait for workers that have what a step needs and went away: after the scheduler did, they join by and by.

        Args:
            name: The step.
            fits: Tells whether one of some workers, or they together, have it.
        """
        if fits(self.workers) or not fits(self._known):
            return
        text = f"{name} waits up to {BACK_SECONDS:.0f} s for a worker that was there"
        self._emit(Note(text=text, level="warning"))
        until, pause = _CLOCK.monotonic() + BACK_SECONDS, threading.Event()
        while not fits(self.workers):
            if stopping():
                raise KeyboardInterrupt
            if _CLOCK.monotonic() > until:
                self._known.clear()  # once is enough
                return
            pause.wait(_PAUSE)

    def verify(self, wheelhouse: Path, reports: Path, store: Store) -> Report | Unmet:
        """Verify a wheelhouse on a worker of its machine and chip; the report is in `reports` afterwards.

        Args:
            wheelhouse: Its folder.
            reports: Where its report goes.
            store: This host's store.

        Raises:
            WheelhouseError: What the verification raised there, or why no worker could finish it.
        """
        with store.in_use():
            step = verify_step(wheelhouse, reports, store)
            self._await_back(step.name, lambda there: any(map(step.demand.fits, there.values())))
            if not any(step.demand.fits(labels) for labels in self.workers.values()):
                return Unmet(component=step.name, lacks=(str(step.demand),))
            with self._link.listening(step.order.topic, step.name, self._emit):
                return Submitted(self._link, step, self._emit).outcome()

    def unverified(self, demands: Mapping[str, Demand]) -> list[str]:
        """Return the wheelhouses that no worker can verify as yet, and tell of them in one note.

        Args:
            demands: What each verification asks of a worker, by the wheelhouse.
        """
        workers = self.workers.values()
        names = [name for name, demand in demands.items() if not any(map(demand.fits, workers))]
        if names:
            wanted = "; ".join(f"{name} wants {demands[name]}" for name in names)
            text = (
                f"no worker can verify {len(names)} of {len(demands)} as yet: {wanted}. "
                f"{self._there(Labels.of_node)}. One that joins before a wheelhouse is finished verifies it"
            )
            self._emit(Note(text=text, level="warning"))
        return names

    def _pending(self, unmet: Unmet, recipe: Recipe, cell: Cell) -> PendingBuild:
        reason = f"no worker of the farm has {' or '.join(unmet.lacks)}. {self._there()}"
        supply = supply_of(recipe, cell, "start a worker that has it: invoke worker --scheduler ADDRESS")
        self._emit(JobStarted(job=recipe.name, action="build"))
        self._emit(JobFinished(job=recipe.name, outcome="pending", detail=reason))
        return PendingBuild(component=recipe.name, reason=reason, supply=supply)

    def _there(self, tell: Callable[[Labels], str] = str) -> str:
        rows = sorted(f"{name}: {tell(labels)}" for name, labels, _ in self._link.workers().values())
        return f"Workers: {'; '.join(rows) or 'none'}"


@contextmanager
def farm(choice: FarmChoice, store: Store, emit: Emit) -> Iterator[Farm | None]:
    """Give the farm that a run asked for, or None; what was started for it ends with the block.

    Raises:
        SchedulerUnreachableError: The scheduler does not answer.
        NoWorkersError: It has no worker.
        WorkerVersionError: None of its workers has this version of the tool.
        JobsEndedError: The jobs that were to be its workers have ended.
    """
    if not choice:
        yield None
        return
    with _cluster(choice, emit) as (reached, patience, jobs):
        address = reached.scheduler
        if is_open_to_others(address):
            text = f"{address} is without TLS: whoever reaches it runs programs there; for a closed network alone"
            emit(Note(text=text, level="warning"))
        link = Link(address, reached, store, emit)
        try:
            _await_worker(link, address, patience, jobs, emit)
            yield Farm(link, emit, _refuse_versions(link, emit))
        finally:
            link.close()


@contextmanager
def _cluster(choice: FarmChoice, emit: Emit) -> Iterator[tuple[FarmChoice, float, Jobs | None]]:
    """Give the scheduler that there is then, how long its first worker may take, and the jobs that will be workers."""
    if choice.scheduler:
        yield choice, FIRST_WORKER_SECONDS, None
        return
    from ascend_wheelhouse.farm.clusters import jobs_of, start

    cluster = start(choice, emit)
    try:
        reached = replace(choice, scheduler=cluster.scheduler_address, own=cluster.security)
        yield reached, QUEUED_WORKER_SECONDS, jobs_of(cluster)
    finally:
        cluster.close(timeout=10)


def _await_worker(link: Link, address: str, seconds: float, jobs: Jobs | None, emit: Emit) -> None:
    """Wait for the first worker; a job that still waits in its queue may take as long as it likes."""
    until, pause = _CLOCK.monotonic() + seconds, threading.Event()
    while not any(labels.version for _, labels, _ in link.workers().values()):
        if stopping():
            raise KeyboardInterrupt
        if jobs is not None and jobs.waiting(emit):
            until = _CLOCK.monotonic() + seconds
        if _CLOCK.monotonic() > until:
            if others := link.workers():
                raise WorkerVersionError(own_version(), {name: "" for name, _, _ in others.values()})
            raise NoWorkersError(address, seconds)
        pause.wait(_PAUSE)
    if jobs is not None:
        await_started(link, jobs)


def await_started(link: Link, jobs: Jobs) -> None:
    """Wait a little for the workers of jobs that have started too: the first would be given every build."""
    until, pause = _CLOCK.monotonic() + _TOGETHER_SECONDS, threading.Event()
    while len(link.workers()) < jobs.started() and _CLOCK.monotonic() < until:
        if stopping():
            raise KeyboardInterrupt
        pause.wait(_TOGETHER_PAUSE)


def _refuse_versions(link: Link, emit: Emit) -> dict[str, Labels]:
    """Leave out workers of another version, to which nothing is sent; return the labels of the others by address."""
    own, rows = own_version(), link.workers()
    others = {name: labels.version for name, labels, _ in rows.values() if labels.version != own}
    if rows and len(others) == len(rows):
        raise WorkerVersionError(own, others)
    for name, version in others.items():
        text = f"worker {name} is left out: it has version {version or 'none of this tool'}, this is {own}"
        emit(Note(text=text, level="warning"))
    return {address: labels for address, (_, labels, _) in rows.items() if labels.version == own}
