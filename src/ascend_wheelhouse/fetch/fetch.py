"""Bringing many files into the store at once.

Look-ups and downloads have workers of their own: while the biggest files, which come first, fill the line,
the addresses of the small ones are found. A few workers see to the smallest meanwhile: each costs a round trip
and hardly any line, so a hundred of them in the end would leave it idle. Workers are daemon threads, so that Ctrl-C
ends the run at once; what has come so far stays in the store or as partials.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

from ascend_wheelhouse.base import counting
from ascend_wheelhouse.base.artifact import Artifact, HasArtifact
from ascend_wheelhouse.base.errors import (
    HostUnfitError,
    IntegrityError,
    SourceUnreachableError,
    WheelhouseError,
)
from ascend_wheelhouse.base.events import Emit, Event, JobFinished, JobProgress, JobStarted, Stage, silent
from ascend_wheelhouse.fetch.pieces import LARGE, PiecewiseTransfer, comes_in_pieces
from ascend_wheelhouse.fetch.ranked_queue import RankedQueue
from ascend_wheelhouse.fetch.transfer import Download, StoppedError, Transfer
from ascend_wheelhouse.origins.http import Http
from ascend_wheelhouse.store.store import Store

Locate = Callable[[Download], Sequence[str]]

JOBS = 12
_LOOKUPS = 8
_SMALL = 512 << 10
"""Bytes below which a file costs the line less than it costs time."""
_EVERY = 4
"""One in so many workers takes such files first."""
_SECONDS_TO_END = 2.0
_ENDING = (HostUnfitError, StoppedError)


class OfflineError(SourceUnreachableError):
    """Files are missing in the store and the network may not be asked; the text lists them."""


class FetchFailedError(SourceUnreachableError):
    """Several files could not be fetched; the text lists each with its fault."""


class FetchCorruptError(IntegrityError):
    """Several files could not be fetched, at least one for its bytes; the text lists each with its fault."""


@dataclass(frozen=True, kw_only=True)
class Fetched(HasArtifact):
    """A file that is in the store now; `cached` tells whether it was before."""

    artifact: Artifact
    cached: bool


def fetch_all(
    downloads: Sequence[Download],
    store: Store,
    emit: Emit = silent,
    *,
    http: Http | None = None,
    locate: Locate | None = None,
    jobs: int = JOBS,
    offline: bool = False,
) -> list[Fetched]:
    """Have every file in the store, and return them in the order asked for.

    Args:
        downloads: What to have.
        store: Where to.
        emit: Told of each file; called from one thread at a time.
        http: The HTTP client; one with pip's configuration when None.
        locate: Gives the URLs of a download that has none, such as `Finder.where`.
        jobs: How many files are on their way at once.
        offline: Use the store alone.

    Raises:
        OfflineError: `offline`, and files are missing.
        WheelhouseError: The fault of the one file that failed, or one that lists several.
        KeyboardInterrupt: Passed on after the workers were stopped.
    """
    missing = _missing(downloads, store, emit)
    if missing and offline:
        raise _offline(missing, store)
    came = store.behind.bring_files(missing, emit) if missing and store.behind else ()
    wanted = list(dict.fromkeys(each for each in missing if each.sha256 not in came))
    ended = fetch_each(wanted, store, emit, http=http, locate=locate, jobs=jobs)
    digests = {each: outcome for each, outcome in ended.items() if isinstance(outcome, str)}
    _offer([each for each in downloads if each not in ended or each in digests], digests, store)
    if failed := [outcome for outcome in ended.values() if isinstance(outcome, WheelhouseError)]:
        raise _combined(failed)
    return [
        Fetched(
            artifact=store.artifact(each.filename, digests.get(each) or str(each.sha256)),
            cached=each not in digests,
        )
        for each in downloads
    ]


def _missing(downloads: Sequence[Download], store: Store, emit: Emit) -> list[Download]:
    """Return what the store lacks, and tell how much that is and what is there already."""
    missing = [each for each in downloads if not (each.sha256 and store.has(each.sha256, each.size))]
    sizes = [each.size for each in missing if each.size is not None]
    emit(Stage(name="fetch", jobs=len(downloads), total=sum(sizes) if len(sizes) == len(missing) else None))
    for each in downloads:
        if each not in missing:
            emit(JobFinished(job=each.filename, outcome="cached"))
    return missing


def _offer(here: Sequence[Download], digests: Mapping[Download, str], store: Store) -> None:
    """Let what is behind the store have the files that are in it now."""
    if store.behind:
        found = (digests.get(each) or each.sha256 for each in here)
        store.behind.offer_files([sha256 for sha256 in found if sha256])


def fetch_each(
    downloads: Sequence[Download],
    store: Store,
    emit: Emit = silent,
    *,
    http: Http | None = None,
    locate: Locate | None = None,
    jobs: int = JOBS,
) -> dict[Download, str | WheelhouseError]:
    """Fetch files, each once, and return its digest, or why it could not be had, in the order asked for.

    See `fetch_all` for the arguments.

    Raises:
        HostUnfitError: The store is full or cannot be written.
        KeyboardInterrupt: Passed on after the workers were stopped.
    """
    workers = _Workers(store, http or Http(), locate or _no_locator, emit)
    return dict(zip(downloads, workers.run(downloads, jobs), strict=True))


class _Workers:
    """Two groups of workers over two queues: most take urgent ones first, then the biggest, a few the smallest."""

    def __init__(self, store: Store, http: Http, locate: Locate, emit: Emit) -> None:
        self._store = store
        self._http = http
        self._locate = locate
        self._emit_unguarded = emit
        self._guard = threading.Lock()
        self._names: list[str] = []
        self._to_find: RankedQueue[_FetchStep] = RankedQueue()
        self._to_fetch: RankedQueue[_FetchStep] = RankedQueue()
        self._ended: queue.SimpleQueue[tuple[int, str | Exception]] = queue.SimpleQueue()

    def run(self, downloads: Sequence[Download], jobs: int) -> list[str | WheelhouseError]:
        """Fetch all and return their digests in the same order, or what kept one away."""
        self._names = [each.filename for each in downloads]
        for number, each in enumerate(downloads):
            if each.urls:
                self._plan(number, each)
            else:
                self._to_find.put(_FetchStep(each.rank, number, 0, partial(self._find, number, each)))
        in_pieces = any((each.size or 0) >= LARGE for each in downloads)
        counts = min(_LOOKUPS, len(downloads)), jobs if in_pieces else min(jobs, len(downloads))
        small = _FetchStep(-_SMALL, -1, 0, _nothing)
        workers = [
            threading.Thread(target=self._work, args=(todo, None if each % _EVERY else small), daemon=True)
            for todo, count in zip((self._to_find, self._to_fetch), counts, strict=True)
            for each in range(1, count + 1)
        ]
        for worker in workers:
            worker.start()
        try:
            return self._collect(downloads)
        except BaseException as error:
            if isinstance(error, _ENDING) or not isinstance(error, WheelhouseError):
                self._http.close()
            raise
        finally:
            self._to_find.close()
            self._to_fetch.close()
            for worker in workers:
                worker.join(_SECONDS_TO_END / len(workers))

    def _collect(self, downloads: Sequence[Download]) -> list[str | WheelhouseError]:
        ended: dict[int, str | WheelhouseError] = {}
        while len(ended) < len(downloads):
            number, outcome = self._ended.get()
            if isinstance(outcome, _ENDING) or not isinstance(outcome, str | WheelhouseError):
                raise outcome
            ended[number] = outcome
        return [ended[number] for number in range(len(downloads))]

    def _work(self, todo: RankedQueue[_FetchStep], behind: _FetchStep | None) -> None:
        while (task := todo.take(behind=behind)) is not None:
            if self._http.stop.is_set():
                self._ended.put((task.number, StoppedError()))
                return
            try:
                task.step()
            except Exception as error:  # noqa: BLE001 - handed to the caller's thread, which raises it
                detail = error.what if isinstance(error, WheelhouseError) else str(error)
                self._emit(JobFinished(job=self._names[task.number], outcome="failed", detail=detail))
                self._ended.put((task.number, error))

    def _find(self, number: int, download: Download) -> None:
        self._plan(number, replace(download, urls=tuple(self._locate(download))))

    def _plan(self, number: int, download: Download) -> None:
        job, rank = download.filename, download.rank
        kind = PiecewiseTransfer if comes_in_pieces(download) else Transfer
        transfer = kind(
            wanted=download,
            store=self._store,
            http=self._http,
            progress=lambda done: self._emit(JobProgress(job=job, done=done)),
            kept=lambda done: self._emit(JobProgress(job=job, done=done, moved=False)),
        )
        if isinstance(transfer, Transfer):
            self._to_fetch.put(
                _FetchStep(rank, number, 0, partial(self._fetch, number, download, transfer.run))
            )
            return
        for piece in range(transfer.count):
            step = partial(self._fetch, number, download, partial(transfer.fetch, piece), first=piece == 0)
            self._to_fetch.put(_FetchStep(rank, number, piece, step))

    def _fetch(
        self, number: int, download: Download, run: Callable[[], str | None], *, first: bool = True
    ) -> None:
        if first:
            self._emit(JobStarted(job=download.filename, action="fetch", total=download.size))
        sha256 = run()
        if sha256 is not None:
            self._emit(JobFinished(job=download.filename, outcome="done"))
            self._ended.put((number, sha256))

    def _emit(self, event: Event) -> None:
        with self._guard:
            self._emit_unguarded(event)


class _FetchStep(NamedTuple):
    """A step in a queue: by the download's rank, its pieces in order."""

    rank: int
    number: int
    piece: int
    step: Callable[[], None]


def _nothing() -> None:
    """Do nothing."""


def _no_locator(download: Download) -> Sequence[str]:
    raise ValueError(f"{download.filename} has no URL, and nothing was given to find one")


def _offline(missing: Sequence[Download], store: Store) -> OfflineError:
    lines = "\n".join(f"  {each.filename}" for each in missing)
    return OfflineError(
        f"{counting.with_verb(len(missing), 'file')} not in the store {store.root}:\n{lines}",
        why="--offline uses the store alone.",
        next_step="run once without --offline, or import the files with `invoke vendor FILE`",
    )


def _combined(errors: Sequence[WheelhouseError]) -> WheelhouseError:
    if len(errors) == 1:
        return errors[0]
    kind = FetchCorruptError if any(isinstance(each, IntegrityError) for each in errors) else FetchFailedError
    lines = "\n".join(f"  {each.what}" for each in errors)
    advice = dict.fromkeys(each.next_step for each in errors if each.next_step)
    return kind(f"{len(errors)} files could not be fetched:\n{lines}", next_step="; or ".join(advice))
