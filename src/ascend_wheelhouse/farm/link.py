"""One run's connection to a scheduler, shared by all its builds: events come in, files that workers lack go out."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from ascend_wheelhouse.base.clock import SystemClock
from ascend_wheelhouse.base.events import Emit, Event, JobFinished, JobStarted, Note
from ascend_wheelhouse.farm.carrying import Sender
from ascend_wheelhouse.farm.choice import FarmChoice
from ascend_wheelhouse.farm.connection import AWAY, Workers, connect, connect_again, lost_errors, workers_of
from ascend_wheelhouse.farm.telling import unpacked
from ascend_wheelhouse.store.store import Store

if TYPE_CHECKING:
    from distributed import Client

RECENT_SECONDS = 5.0
_CLOSE_SECONDS = 5
_CLOCK = SystemClock()


class Link:
    """Holds the connection and opens it again where it was lost.

    Args:
        address: The scheduler's.
        choice: How it is spoken to.
        store: This host's store, from which workers are sent what they lack.
        emit: Told what workers tell.

    Raises:
        SchedulerUnreachableError: The scheduler does not answer.
    """

    def __init__(self, address: str, choice: FarmChoice, store: Store, emit: Emit) -> None:
        self.address = address
        self._choice, self._store, self._emit = choice, store, emit
        self._lock = threading.Lock()
        self._topics: dict[str, _Listener] = {}
        self._looking = threading.Lock()
        self._seen: tuple[Client, float, Workers] | None = None
        self._client = connect(address, choice)
        self._sender = Sender(self._client, store)

    @property
    def client(self) -> Client:
        """The connection as it is."""
        return self._client

    def workers(self, *, recent: bool = False) -> Workers:
        """Return each worker by its address, as `workers_of` does; waits for a scheduler that went away.

        Args:
            recent: The look that builds share will do, see `recent_workers`.

        Raises:
            SchedulerLostError: The scheduler did not come back in time.
            KeyboardInterrupt: The user wants the run to end.
        """
        while True:
            client = self._client
            try:
                return self.recent_workers(client) if recent else workers_of(client)
            except OSError:
                self.restore(client)

    def recent_workers(self, client: Client) -> Workers:
        """Return the workers as they were at most `RECENT_SECONDS` ago.

        All builds of a run share one look: if each asked for itself, the cost would grow with the square of the farm.

        Args:
            client: The connection that must still be there.

        Raises:
            OSError: The scheduler is away.
        """
        if client.status != "running":
            raise ConnectionError(AWAY)
        with self._looking:  # who comes while another asks has that answer
            seen = self._seen
            if seen is None or seen[0] is not client or _CLOCK.monotonic() - seen[1] >= RECENT_SECONDS:
                rows = workers_of(client)
                seen = self._seen = (client, _CLOCK.monotonic(), rows)
            return seen[2]

    @contextmanager
    def listening(self, topic: str, job: str, emit: Emit) -> Iterator[None]:
        """Pass on what is told of a build while the block runs.

        Several threads may listen to one topic, where they wait for one build: each is told, and what the worker lacks
        is sent once. The topic is given up with the last of them.

        Args:
            topic: The build's.
            job: What it is called.
            emit: Told of it.
        """
        with self._lock:
            listener = self._topics.get(topic)
            if listener is None:
                listener = self._topics[topic] = _Listener(self, job)
                self._subscribe(topic, listener)
            listener.told = (*listener.told, emit)
        try:
            yield
        finally:
            with self._lock:
                left = list(listener.told)
                left.remove(emit)
                listener.told = tuple(left)
                if not left:
                    self._give_up(topic)

    def _subscribe(self, topic: str, listener: _Listener) -> None:
        with suppress(*lost_errors()):  # whoever opens the connection again subscribes to every topic
            self._client.subscribe_topic(topic, listener.hear)

    def _give_up(self, topic: str) -> None:
        self._topics.pop(topic, None)
        with suppress(ValueError, *lost_errors()):
            self._client.unsubscribe_topic(topic)

    def send(self, worker: str, sha256: str) -> None:
        """Send a worker a file of this host's store."""
        self._sender.send(worker, sha256)

    def restore(self, lost: Client) -> None:
        """Open the connection again, unless another build has done so since `lost` was in use.

        Raises:
            SchedulerLostError: The scheduler did not come back in time.
        """
        with self._lock:
            if self._client is not lost:
                return
            self._emit(
                Note(text=f"the scheduler at {self.address} went away; waiting for it", level="warning")
            )
            self._shut()
            self._client = connect_again(self.address, self._choice)
            self._sender = Sender(self._client, self._store)
            for topic, listener in self._topics.items():
                self._subscribe(topic, listener)
            self._emit(Note(text=f"the scheduler at {self.address} is back"))

    def close(self) -> None:
        """Close the connection: the scheduler drops what this run still wanted, and the workers end it."""
        with self._lock:
            self._shut()

    def _shut(self) -> None:
        self._sender.close()
        with suppress(Exception):
            self._client.close(timeout=_CLOSE_SECONDS)


class _Listener:
    """Passes on the events of one build to all who wait for it, and tells when it began anew on another worker."""

    def __init__(self, link: Link, job: str) -> None:
        self._link, self._job = link, job
        self._worker = ""
        self.told: tuple[Emit, ...] = ()

    def hear(self, event: tuple[float, Mapping[str, Any]]) -> None:
        """Take a message."""
        message = event[1]
        if message.get("kind") == "wanted":
            for sha256 in message["fields"]["files"]:
                self._link.send(message["from"], sha256)
            return
        told = unpacked(message)
        if isinstance(told, JobStarted):
            worker = str(message["from"])
            if self._worker not in {"", worker}:
                text = (
                    f"{self._job} was begun on {self._worker}, which did not finish it; {worker} does it now"
                )
                self._tell(Note(text=text, level="warning"))
            self._worker = worker
        if isinstance(told, JobFinished):
            self._worker = ""
        if told is not None:
            self._tell(told)

    def _tell(self, event: Event) -> None:
        for emit in self.told:
            emit(event)
