"""One step that was handed to Dask: waited for, taken elsewhere where that helps, what it made brought home."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Generic

from ascend_wheelhouse.base.clock import SystemClock
from ascend_wheelhouse.base.events import Emit, Note
from ascend_wheelhouse.base.process import stopping
from ascend_wheelhouse.build.worker import again
from ascend_wheelhouse.farm.connection import Workers, lost_errors, workers_of
from ascend_wheelhouse.farm.errors import CarryError, NoWorkerCouldError, WorkersGoneError
from ascend_wheelhouse.farm.identity import own_version
from ascend_wheelhouse.farm.link import Link
from ascend_wheelhouse.farm.step import AnswerT, FarmStep, HomeT_co

if TYPE_CHECKING:
    from distributed import Client, Future

_GLANCE = 0.5
_LOOK_FOR_WORKERS = 5.0
_GONE_SECONDS = 60.0
_MOST_CARRIES = 3
_CLOCK = SystemClock()


class _LostConnectionError(Exception):
    """The scheduler went away."""


class _OthersJoinedError(Exception):
    """The workers that a step was asked of have left, and others that may do it have joined."""


class Submitted(Generic[AnswerT, HomeT_co]):
    """A step until its outcome.

    Args:
        link: The connection.
        step: The step.
        emit: Told of what goes elsewhere.
    """

    def __init__(self, link: Link, step: FarmStep[AnswerT, HomeT_co], emit: Emit) -> None:
        self._link, self._step, self._emit = link, step, emit
        self._left_out: dict[str, str] = {}
        self._asked: frozenset[str] = frozenset()
        self._tries = 0
        self._lost_on_the_way = 0

    def outcome(self) -> HomeT_co:
        """Wait for the step and return what it made, brought home.

        Raises:
            WheelhouseError: What it raised, or why no worker finished it.
            KeyboardInterrupt: The user wants the run to end; the worker is told to stop.
        """
        while True:
            client = self._link.client
            try:
                answer = self._answer(client)
            except _LostConnectionError:
                self._link.restore(client)
                continue
            except _OthersJoinedError:
                continue
            if answer.stopped:
                continue
            if answer.elsewhere:
                self._leave_out(answer)
                continue
            if answer.error is not None:
                raise again(*answer.error)
            try:
                return self._step.home(client, answer)
            except CarryError as error:
                self._lost_on_the_way += 1
                if self._lost_on_the_way == _MOST_CARRIES:
                    raise
                text = f"{error.what} {self._step.name} is asked for again."
                self._emit(Note(text=text, level="warning"))

    def _answer(self, client: Client) -> AnswerT:
        """Hand the step to Dask and wait.

        Raises:
            WheelhouseError: Several workers died over it.
            _LostConnectionError: The scheduler went away.
            _OthersJoinedError: It has to be handed to Dask anew.
        """
        try:
            future = self._submit(client)
        except lost_errors() as error:
            raise _LostConnectionError from error
        done = threading.Event()
        future.add_done_callback(lambda _future: done.set())
        try:
            while True:
                self._wait(client, future, done)
                try:
                    return self._result(future)
                except TimeoutError:  # its worker went away with the answer: Dask has it made again
                    self._hold_connected(client)
                    done.clear()
        finally:
            if client.status == "running" and not future.done():
                with suppress(*lost_errors()):
                    future.cancel()  # ends it where it still runs and nobody else wants it
            future.release()

    def _submit(self, client: Client) -> Future[AnswerT]:
        self._tries += 1
        key = self._step.key if self._tries == 1 else f"{self._step.key}-{client.id}-{self._tries}"
        rows = workers_of(client) if self._left_out else self._link.recent_workers(client)
        self._asked = frozenset(self._allowed(rows)) if self._left_out else frozenset()
        return client.submit(
            self._step.function(),
            self._step.order,
            key=key,
            resources=self._step.demand.resources(own_version()),
            priority=self._step.demand.memory_mb,
            workers=sorted(self._asked) if self._left_out else None,
            pure=False,
        )

    def _wait(self, client: Client, future: Future[AnswerT], done: threading.Event) -> None:
        looked = there = _CLOCK.monotonic()
        while not (done.wait(_GLANCE) or future.done()):
            self._hold_connected(client)
            now = _CLOCK.monotonic()
            if now - looked < _LOOK_FOR_WORKERS:
                continue
            looked = now
            there = now if self._anybody(client) else there
            if now - there > _GONE_SECONDS:
                raise WorkersGoneError(self._step.name, str(self._step.demand), now - there)

    def _hold_connected(self, client: Client) -> None:
        """End the wait where nothing can come of it.

        Raises:
            _LostConnectionError: The scheduler went away.
            KeyboardInterrupt: The user wants the run to end.
        """
        if stopping():
            raise KeyboardInterrupt
        if client.status != "running":
            raise _LostConnectionError

    def _anybody(self, client: Client) -> bool:
        """Tell whether a worker is there that may do it.

        Raises:
            _LostConnectionError: The scheduler went away.
            _OthersJoinedError: Those that it was asked of by their addresses are not there, and others are.
        """
        try:
            there = frozenset(self._allowed(self._link.recent_workers(client)))
        except OSError as error:
            raise _LostConnectionError from error
        if there and self._asked and not there & self._asked:
            raise _OthersJoinedError
        return bool(there)

    def _allowed(self, rows: Workers) -> Iterator[str]:
        """Yield the addresses of those that may do it."""
        own = own_version()
        for address, (_, labels, _) in rows.items():
            fits = labels.version == own and self._step.demand.fits(labels)
            if fits and address not in self._left_out:
                yield address

    def _result(self, future: Future[AnswerT]) -> AnswerT:
        from distributed import CancelledError, KilledWorker

        lost: tuple[type[BaseException], ...] = (CancelledError, *lost_errors())
        try:
            answer: AnswerT = future.result(timeout=_LOOK_FOR_WORKERS)
        except KilledWorker as error:
            raise self._step.lost(str(error.last_worker.name)) from error
        except TimeoutError:
            raise
        except lost as error:
            raise _LostConnectionError from error
        return answer

    def _leave_out(self, answer: AnswerT) -> None:
        """Let another worker do it, or raise where there is none."""
        self._left_out[answer.worker] = answer.elsewhere
        name = self._step.name
        if not any(self._allowed(self._link.workers())):
            raise NoWorkerCouldError(name, self._left_out)
        text = (
            f"{name} is not {self._step.past} on {answer.name}: {answer.elsewhere} Another worker takes it."
        )
        self._emit(Note(text=text, level="warning"))
