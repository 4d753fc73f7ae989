"""The processes that read wheels: two for this whole process, and each wheel once, whoever wants it.

Two keep both cores of a small machine busy and the whole below 1 GB, since each holds one library at a time. Facts are
kept by the wheel's digest, so that a second run reads no wheel beyond hashing it, and so that what was read while
others were still on their way is there when the audit asks.
"""

from __future__ import annotations

import multiprocessing
import os
import select
import signal
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ascend_wheelhouse.audit.extract import extract
from ascend_wheelhouse.audit.facts import WheelFacts, from_json, to_json
from ascend_wheelhouse.audit.kept_facts import key_of
from ascend_wheelhouse.base.collector import paused
from ascend_wheelhouse.base.errors import HostUnfitError, WheelhouseError
from ascend_wheelhouse.base.events import Emit, JobFinished, JobStarted, Worked
from ascend_wheelhouse.base.shared import shared
from ascend_wheelhouse.base.timed import now
from ascend_wheelhouse.store.proven import file_sha256
from ascend_wheelhouse.store.store import Store

READERS_AT_ONCE = 2
_WORKERS = min(READERS_AT_ONCE, os.cpu_count() or 1)
WORTH_A_PROCESS = 16 << 20
"""Wheels that have fewer bytes together are read by who wants them."""


class ReaderKilledError(HostUnfitError):
    """A process that read wheels was killed."""


@dataclass(frozen=True, kw_only=True)
class WheelInput:
    """A wheel to audit: where its bytes are and its file name, which differ for blobs of the store."""

    path: Path
    filename: str


@dataclass(frozen=True, kw_only=True)
class WheelToRead:
    """One wheel to read; it travels to another process."""

    wheel: WheelInput
    sha256: str
    python: tuple[int, int]
    roots: tuple[str, ...]

    @property
    def key(self) -> str:
        """The key of its facts in the store: everything that they depend on.

        This Python is a part of it: one that is older than the target's cannot read all of its syntax.
        """
        versions = (*self.python, *sys.version_info[:2])
        return key_of((self.sha256, self.wheel.filename, *map(str, versions), *self.roots))


@dataclass(frozen=True, kw_only=True)
class ReadWheel:
    """A wheel that was read.

    Args:
        facts: What it says; None where they are in the store.
        began: When reading began, by the clock that all processes share, in seconds.
        ended: When it ended.
    """

    facts: WheelFacts | None
    began: float
    ended: float


@dataclass(kw_only=True)
class Readers:
    """The processes, while anybody has joined; see the module."""

    _guard: threading.RLock = field(default_factory=threading.RLock)
    _users: int = 0
    _pool: ProcessPoolExecutor | None = None
    _under_way: dict[tuple[str, Path | None], Future[ReadWheel]] = field(default_factory=dict)

    @contextmanager
    def joined(self) -> Iterator[None]:
        """Have processes in the block. The last to leave ends them: by killing them where the block failed."""
        with self._guard:
            self._users += 1
        try:
            yield
        except BaseException:
            self._leave(at_once=True)
            raise
        else:
            self._leave(at_once=False)

    def read(self, task: WheelToRead, store: Store | None, *, prove: bool = False) -> Future[ReadWheel]:
        """Have a wheel read, unless it is being read already; its facts are in the store afterwards.

        Args:
            task: The wheel.
            store: Where the facts are kept; they come with the answer when None.
            prove: Hash it first, where that was not done just now: facts of other bytes must not get its key.
                The answer is an `OSError` where it has others.
        """
        place = store.root if store else None
        with self._guard:
            running = self._under_way.get((task.key, place))
            if running is None:
                running = self._submitted(task, place, prove=prove)
                self._under_way[task.key, place] = running
                running.add_done_callback(lambda _: self._done((task.key, place)))
            return running

    def start(self) -> None:
        """Start the processes before there is anything to read; for who has joined."""
        with self._guard:
            if self._pool is None:
                self._pool = _new_pool()
                with _deaf():
                    for _ in range(_WORKERS):
                        self._pool.submit(now)

    def _submitted(self, task: WheelToRead, place: Path | None, *, prove: bool) -> Future[ReadWheel]:
        with _deaf():
            if self._pool is not None:
                try:
                    return self._pool.submit(_read_here, task, place, prove)
                except BrokenProcessPool:
                    self._pool.shutdown(wait=False)
            self._pool = _new_pool()
            return self._pool.submit(_read_here, task, place, prove)

    def _done(self, key: tuple[str, Path | None]) -> None:
        with self._guard:
            self._under_way.pop(key, None)

    def _leave(self, *, at_once: bool) -> None:
        with self._guard:
            self._users -= 1
            if self._users or self._pool is None:
                return
            pool, self._pool = self._pool, None
        if at_once:
            for process in [*(pool._processes or {}).values()]:  # noqa: SLF001 - Python 3.14 has `kill_workers` for it
                process.kill()
        pool.shutdown(
            cancel_futures=True
        )  # waits for its thread: one that ends beside Python may write a traceback


@contextmanager
def _deaf() -> Iterator[None]:
    """Let processes that start in the block never hear Ctrl-C, even while they import: this one ends them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _new_pool() -> ProcessPoolExecutor:
    context = multiprocessing.get_context("spawn")  # a fork server leaves its socket when it is killed
    return ProcessPoolExecutor(_WORKERS, context, end_with, (os.getpid(),))


READERS = Readers()
"""Those of this process."""


def known_facts(task: WheelToRead, store: Store | None) -> WheelFacts | None:
    """Return the facts of a wheel that the store has; a record that cannot be read counts as none."""
    if store is None:
        return None
    try:
        return _decoded(store.root, task.key)
    except (KeyError, TypeError, ValueError):
        return None


@shared
def _decoded(root: Path, key: str) -> WheelFacts:
    """Return the facts that a store keeps under a key.

    Raises:
        KeyError, TypeError, ValueError: There are none, or they cannot be read.
    """
    record = Store(root).result(key)
    if record is None:
        raise KeyError(key)
    return from_json(record)


def read_all(tasks: Sequence[WheelToRead], store: Store | None, emit: Emit) -> Iterator[WheelFacts]:
    """Read wheels, the biggest first, and yield the facts of each as it is done.

    Args:
        tasks: The wheels.
        store: Where the facts are kept; nothing is kept when None.
        emit: Told of each.

    Raises:
        ReaderKilledError: A reading process was killed, most likely for want of memory.
    """
    sizes = {task: task.wheel.path.stat().st_size for task in tasks}
    if len(tasks) == 1 or sum(sizes.values()) < WORTH_A_PROCESS:
        for task in tasks:
            emit(JobStarted(job=task.wheel.filename, action="read"))
            yield _kept(task, extracted(task), store)
            emit(JobFinished(job=task.wheel.filename, outcome="done"))
        return
    running: dict[Future[ReadWheel], list[WheelToRead]] = defaultdict(list)
    with READERS.joined():
        for task in sorted(tasks, key=sizes.__getitem__, reverse=True):
            running[READERS.read(task, store)].append(task)
        for done in as_completed(running):
            for task in running[done]:
                yield _facts_of(task, done, store, emit)
                emit(JobFinished(job=task.wheel.filename, outcome="done"))


def _facts_of(task: WheelToRead, done: Future[ReadWheel], store: Store | None, emit: Emit) -> WheelFacts:
    try:
        read = done.result()
    except BrokenProcessPool as error:
        raise ReaderKilledError(
            "A process that read wheels was killed.",
            why="The system ran out of memory: the audit needs about 1 GB.",
            next_step="free memory and run the same command again; what was read is kept",
        ) from error
    except OSError:  # who asked first had it from another place, which is gone
        return _kept(task, extracted(task), store)
    emit(Worked(kind="audit", name=task.wheel.filename, began=read.began, ended=read.ended))
    if read.facts is not None:
        return _kept(task, read.facts, store)
    return known_facts(task, store) or _kept(task, extracted(task), store)


def _kept(task: WheelToRead, facts: WheelFacts, store: Store | None) -> WheelFacts:
    if store is not None:
        store.put_result(task.key, to_json(facts))
    return facts


def _read_here(task: WheelToRead, place: Path | None, prove: bool) -> ReadWheel:  # noqa: FBT001 - to another process
    """Read a wheel in this process; facts that cannot be kept, as on a full disk, are for who asked to keep."""
    began = now()
    if place is not None and Store(place).has_result(task.key):  # read while who asks looked for it
        return ReadWheel(facts=None, began=began, ended=now())
    if prove and file_sha256(task.wheel.path) != task.sha256:
        raise OSError(f"{task.wheel.filename} has other bytes than its name in the store says")
    with paused():  # syntax trees and symbols by the million, and no cycle among them
        facts = extracted(task)
    kept = False
    if place is not None:
        try:
            _kept(task, facts, Store(place))
            kept = True
        except (WheelhouseError, OSError):
            pass
    return ReadWheel(facts=None if kept else facts, began=began, ended=now())


def extracted(task: WheelToRead) -> WheelFacts:
    """Return the facts of a wheel, read in this process."""
    wheel = task.wheel
    return extract(
        wheel.path, filename=wheel.filename, sha256=task.sha256, python=task.python, roots=task.roots
    )


def end_with(pid: int) -> None:
    """Let this process end when another does, however it went: a pool's workers wait for a killed one for ever."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        os._exit(1)
    except OSError:
        return

    def watch() -> None:
        select.select([handle], [], [])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
