"""What a Dask worker holds for builds: its store, the slots of its compilers, and a hand on each build that runs.

Dask cannot end what runs in a thread. But it tells its plugins when nobody wants a result any more, because the master
cancelled it, or died, or the scheduler is gone: the commands of that one build are killed then.
"""

from __future__ import annotations

import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from distributed import WorkerPlugin

from ascend_wheelhouse.base import ast_lock
from ascend_wheelhouse.base.process import Leash
from ascend_wheelhouse.build.command import Workshop
from ascend_wheelhouse.build.jobserver import jobserver, share
from ascend_wheelhouse.farm.carrying import PLUGIN, IncomingFiles
from ascend_wheelhouse.farm.labels import Labels
from ascend_wheelhouse.store.store import Store

if TYPE_CHECKING:
    from distributed import Worker

_PER_JOB_MB = 1024


class BuildPlugin(WorkerPlugin):
    """Holds what builds on a worker share.

    Args:
        labels: The worker's labels.
        store: Where its files are; `WHEELHOUSE_STORE` when None.
    """

    name = PLUGIN

    def __init__(self, labels: Labels, store: Store | None = None) -> None:
        self.labels = labels
        self.store = store or Store()
        self.arrivals = IncomingFiles(self.store)
        self._leashes: dict[str, Leash] = {}
        self._lock = threading.Lock()
        self._open = ExitStack()
        self._workshop = Workshop(store=self.store)

    def setup(self, worker: Worker) -> None:
        """Make the slots that the builds of this worker share."""
        ast_lock.serialise()
        slots = share(self.labels.cores, builds=1, memory_mb=self.labels.memory_mb, per_job_mb=_PER_JOB_MB)
        server = self._open.enter_context(jobserver(slots))
        builds = worker.state.nthreads
        self._workshop = Workshop(store=self.store, server=server, builds=builds)

    @property
    def workshop(self) -> Workshop:
        """What every build here is done with."""
        return self._workshop

    def leash(self, key: str) -> Leash:
        """Return what ends the build `key`."""
        with self._lock:
            return self._leashes.setdefault(key, Leash())

    def done(self, key: str) -> None:
        """Forget a build that ended."""
        with self._lock:
            self._leashes.pop(key, None)

    def transition(self, key: Any, start: str, finish: str, **_kwargs: Any) -> None:  # noqa: ANN401 - Dask's
        """Kill a build that nobody wants any more: Dask releases it while it runs."""
        if finish == "released" and start in {"executing", "long-running"}:
            with self._lock:
                leash = self._leashes.get(str(key))
            if leash is not None:
                leash.stop()

    def teardown(self, worker: Worker) -> None:  # noqa: ARG002 - Dask's
        """Kill every build: the worker ends."""
        with self._lock:
            leashes = list(self._leashes.values())
        for leash in leashes:
            leash.stop()
        self.arrivals.close()
        self._open.close()
