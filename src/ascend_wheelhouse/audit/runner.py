"""The run: facts of every wheel, from the store or read by two processes, then the checks over all of them.

Two processes keep both cores of a small machine busy and the whole below 1 GB, since each holds one library
at a time. Facts are kept by the wheel's digest, so that a second run reads no wheel beyond hashing it.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import select
import threading
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

from ascend_wheelhouse.audit import (
    cell,
    cxx_abi,
    hygiene,
    imports,
    link_closure,
    metadata,
    own_libraries,
    ownership,
)
from ascend_wheelhouse.audit.extract import extract
from ascend_wheelhouse.audit.facts import SCHEMA, WheelFacts, from_json, to_json
from ascend_wheelhouse.audit.policy import AuditPolicy
from ascend_wheelhouse.audit.report import AuditReport, Finding, in_order
from ascend_wheelhouse.audit.universe import Universe
from ascend_wheelhouse.base.errors import HostUnfitError
from ascend_wheelhouse.base.events import Emit, JobFinished, JobStarted, Stage, Worked, silent
from ascend_wheelhouse.base.timed import now, timed
from ascend_wheelhouse.store.store import Store, file_sha256

_WORKERS = 2
_WORTH_A_POOL = 16 << 20
_READING = threading.Lock()
"""Held by the audit that reads wheels: another at the same time, of a set with the same wheels, would read them too."""


class ReaderKilledError(HostUnfitError):
    """A process that read wheels was killed."""


@dataclass(frozen=True, kw_only=True)
class WheelInput:
    """A wheel to audit: where its bytes are and its file name, which differ for blobs of the store."""

    path: Path
    filename: str


@dataclass(frozen=True, kw_only=True)
class _WheelToRead:
    """One wheel to read; it travels to another process."""

    wheel: WheelInput
    sha256: str
    python: tuple[int, int]
    roots: tuple[str, ...]

    @property
    def key(self) -> str:
        """The key of its facts in the store: everything that they depend on."""
        words = (self.sha256, self.wheel.filename, *map(str, self.python), *self.roots)
        return f"audit-{SCHEMA}-{hashlib.sha256(' '.join(words).encode()).hexdigest()}"


def audit_wheels(
    wheels: Iterable[Path | WheelInput], policy: AuditPolicy, store: Store | None = None, emit: Emit = silent
) -> AuditReport:
    """Audit wheels as one set and return the report; nothing is unpacked to disk, imported or run.

    Args:
        wheels: The wheels, in any order.
        policy: What they are held to.
        store: Where facts are kept; nothing is kept when None.
        emit: Told of the progress.

    Raises:
        ReaderKilledError: A reading process was killed, most likely for want of memory.
    """
    inputs = [wheel if isinstance(wheel, WheelInput) else _input(wheel) for wheel in wheels]
    facts = sorted(_facts(inputs, policy, store, emit), key=lambda item: item.file)
    emit(Stage(name="audit: check"))
    with timed(emit, "audit", "check"):
        findings, left = judge(facts, policy)
    return AuditReport(
        wheels=tuple(item.file for item in facts),
        findings=in_order(findings),
        left_to_host=left,
        cell=cell.versions_of(facts, policy),
    )


def judge(facts: Sequence[WheelFacts], policy: AuditPolicy) -> tuple[list[Finding], Mapping[str, int]]:
    """Return the findings of every check over facts, and the symbols left to the host by wheel."""
    universe = Universe(facts, policy)
    findings = [hygiene.held(finding, item.name, policy) for item in facts for finding in item.findings]
    linked, left = link_closure.check(universe)
    findings += linked
    findings += own_libraries.check(facts, policy)
    findings += cxx_abi.check(universe)
    findings += ownership.check(facts)
    findings += metadata.check(facts, policy)
    findings += imports.check(facts, policy)
    findings += cell.check(facts, policy)
    return findings, left


def _input(path: Path) -> WheelInput:
    return WheelInput(path=path, filename=path.name)


def _facts(
    inputs: Sequence[WheelInput], policy: AuditPolicy, store: Store | None, emit: Emit
) -> Iterator[WheelFacts]:
    emit(Stage(name="audit: read wheels", jobs=len(inputs)))
    unread = yield from _kept(_tasks(inputs, policy), store, emit)
    if unread:
        with _READING:
            unread = yield from _kept(unread, store, emit)
            for task, facts in _read(unread, emit):
                if store is not None:
                    store.put_result(task.key, to_json(facts))
                yield facts


def _kept(
    tasks: Iterable[_WheelToRead], store: Store | None, emit: Emit
) -> Generator[WheelFacts, None, list[_WheelToRead]]:
    """Yield the facts that are known, and return the wheels of which none are."""
    unread = []
    for task in tasks:
        known = _known(task, store)
        if known is None:
            unread.append(task)
        else:
            emit(JobFinished(job=task.wheel.filename, outcome="cached"))
            yield known
    return unread


def _tasks(inputs: Sequence[WheelInput], policy: AuditPolicy) -> Iterator[_WheelToRead]:
    with ThreadPoolExecutor(_WORKERS, thread_name_prefix="hash") as pool:
        digests = pool.map(file_sha256, [wheel.path for wheel in inputs])
        for wheel, sha256 in zip(inputs, digests, strict=True):
            roots = policy.import_roots.get(wheel.filename.partition("-")[0].lower().replace("_", "-"), ())
            yield _WheelToRead(wheel=wheel, sha256=sha256, python=policy.target.python, roots=tuple(roots))


def _known(task: _WheelToRead, store: Store | None) -> WheelFacts | None:
    record = store.result(task.key) if store is not None else None
    try:
        return from_json(record) if record is not None else None
    except (KeyError, TypeError, ValueError):
        return None


def _read(tasks: Sequence[_WheelToRead], emit: Emit) -> Iterator[tuple[_WheelToRead, WheelFacts]]:
    tasks = sorted(tasks, key=lambda task: task.wheel.path.stat().st_size, reverse=True)
    total = sum(task.wheel.path.stat().st_size for task in tasks)
    if total < _WORTH_A_POOL or len(tasks) == 1:
        for task in tasks:
            emit(JobStarted(job=task.wheel.filename, action="read"))
            yield task, _extract(task)
            emit(JobFinished(job=task.wheel.filename, outcome="done"))
        return
    workers = min(_WORKERS, os.cpu_count() or 1)
    context = multiprocessing.get_context("spawn")  # a fork server leaves its socket when it is killed
    with ProcessPoolExecutor(workers, context, end_with, (os.getpid(),)) as pool:
        running: dict[Future[tuple[WheelFacts, float, float]], _WheelToRead] = {
            pool.submit(_extract_timed, task): task for task in tasks
        }
        try:
            for done in as_completed(running):
                task = running[done]
                facts, began, ended = done.result()
                emit(Worked(kind="audit", name=task.wheel.filename, began=began, ended=ended))
                yield task, facts
                emit(JobFinished(job=task.wheel.filename, outcome="done"))
        except BrokenProcessPool as error:
            raise ReaderKilledError(
                "A process that read wheels was killed.",
                why="The system ran out of memory: the audit needs about 1 GB.",
                next_step="free memory and run the same command again; what was read is kept",
            ) from error
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


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


def _extract_timed(task: _WheelToRead) -> tuple[WheelFacts, float, float]:
    """Return the facts, and when reading them began and ended: by the clock that all processes share."""
    began = now()
    return _extract(task), began, now()


def _extract(task: _WheelToRead) -> WheelFacts:
    wheel = task.wheel
    return extract(
        wheel.path, filename=wheel.filename, sha256=task.sha256, python=task.python, roots=task.roots
    )
