"""Files of a cache into the store: as downloads where they have a URL, else read and checked here."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from ascend_wheelhouse.base.artifact import Artifact, Expected
from ascend_wheelhouse.base.errors import IntegrityError
from ascend_wheelhouse.base.events import Emit, Event, JobFinished, JobProgress, JobStarted, Stage
from ascend_wheelhouse.base.waiting import asking
from ascend_wheelhouse.fetch.fetch import fetch_each
from ascend_wheelhouse.fetch.transfer import Download
from ascend_wheelhouse.origins import faults
from ascend_wheelhouse.origins.http import Http
from ascend_wheelhouse.shared_cache.remote import Remote, RemoteError, UnavailableError
from ascend_wheelhouse.store.behind import WantedBlob
from ascend_wheelhouse.store.proven import file_sha256
from ascend_wheelhouse.store.store import Store
from ascend_wheelhouse.wheels.wheel_names import check_wheel_names

_AT_ONCE = 4


@dataclass(frozen=True, kw_only=True)
class WantedFile:
    """A file that a result names."""

    filename: str
    expected: Expected
    urgent: bool = True

    @classmethod
    def of(cls, artifact: Artifact) -> Self:
        """Return what is asked for to have a known file."""
        expected = Expected(size=artifact.size, sha256=artifact.sha256)
        return cls(filename=artifact.filename, expected=expected)


@dataclass(kw_only=True)
class Pulled:
    """How the files ended that were asked for.

    Args:
        came: Digests that are in the store now.
        moved: Of these, those whose bytes came from the place: another run may have brought a file meanwhile.
        wrong: Digests whose bytes were others, and the fault.
        refused: Whether the place refused some.
        broken: Why the place could not be read any more, if so.
    """

    came: set[str] = field(default_factory=set)
    moved: set[str] = field(default_factory=set)
    wrong: dict[str, IntegrityError] = field(default_factory=dict)
    refused: bool = False
    broken: RemoteError | None = None


def pull(
    remote: Remote,
    store: Store,
    wanted: Sequence[WantedBlob],
    emit: Emit,
    *,
    http: Http,
    place: Callable[[str], str],
) -> Pulled:
    """Bring files of a place into the store, and return how each ended.

    Args:
        remote: The place.
        store: Where to.
        wanted: The files; those without a promised digest are left out.
        emit: Told of those that come.
        http: The client that reads URLs.
        place: Gives the name of a digest there.
    """
    known = [one for one in wanted if one.expected.sha256]
    downloads = [
        Download(
            filename=one.filename,
            expected=one.expected,
            urls=(remote.url(place(str(one.expected.sha256))),),
            urgent=one.urgent,
        )
        for one in known
    ]
    heard = _Heard(emit)
    if all(one.urls[0] for one in downloads):
        pulled = _sorted(fetch_each(list(dict.fromkeys(downloads)), store, _told(heard), http=http))
    else:
        pulled = _copied(remote, store, downloads, heard, place)
    pulled.moved = pulled.came & {str(one.sha256) for one in downloads if one.filename in heard.moved}
    return pulled


class _Heard:
    """Passes events on, and keeps of which files bytes came."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self.moved: set[str] = set()

    def __call__(self, event: Event) -> None:
        if isinstance(event, JobProgress) and event.moved:
            self.moved.add(event.job)
        self._emit(event)


def _told(emit: Emit) -> Emit:
    """Pass on what is told of files that come; one that does not is no failure, and a stage none of its own."""

    def tell(event: Event) -> None:
        failed = isinstance(event, JobFinished) and event.outcome == "failed"
        if not failed and not isinstance(event, Stage):
            emit(event)

    return tell


def _sorted(ended: Mapping[Download, str | Exception]) -> Pulled:
    pulled = Pulled()
    for download, outcome in ended.items():
        if isinstance(outcome, str):
            pulled.came.add(outcome)
        elif isinstance(outcome, IntegrityError):
            pulled.wrong[str(download.sha256)] = outcome
        elif isinstance(outcome, faults.AccessDeniedError):
            pulled.refused = True
        elif isinstance(outcome, faults.OriginError) and not isinstance(outcome, faults.NotFoundError):
            pulled.refused |= isinstance(outcome, faults.RefusedError)  # S3 tells an expired login by 400
            pulled.broken = UnavailableError(outcome.what)
    return pulled


def _copied(
    remote: Remote, store: Store, downloads: Sequence[Download], emit: Emit, place: Callable[[str], str]
) -> Pulled:
    pulled, guard = Pulled(), threading.Lock()

    def guarded(event: Event) -> None:
        with guard:
            emit(event)

    def bring(download: Download) -> None:
        sha256 = str(download.sha256)
        if pulled.broken:
            return
        try:
            if _copy(remote, store, download, guarded, place(sha256)):
                pulled.came.add(sha256)
        except RemoteError as error:
            pulled.broken = error
        except IntegrityError as error:
            pulled.wrong[sha256] = error

    with asking(_AT_ONCE, "pull") as pool:
        list(pool.map(bring, sorted(dict.fromkeys(downloads), key=lambda one: one.rank)))
    return pulled


def _copy(remote: Remote, store: Store, wanted: Download, emit: Emit, name: str) -> bool:
    """Bring one file, on from where it stopped; tell whether there is one."""
    sha256 = str(wanted.sha256)
    with store.partial(sha256) as partial:
        if store.has(sha256, wanted.size):
            return True
        chunks = remote.copy(name, partial.size)
        if chunks is None:
            return False
        emit(JobStarted(job=wanted.filename, action="fetch", total=wanted.size))
        try:
            with partial.path.open("ab") as file:
                for chunk in chunks:
                    file.write(chunk)
                    _expect_at_most(wanted, file.tell(), remote.shown)
                    emit(JobProgress(job=wanted.filename, done=file.tell()))
            found = file_sha256(partial.path)
            if found != sha256:
                raise faults.HashMismatchError(
                    wanted.filename, expected=sha256, found=found, url=remote.shown
                )
            check_wheel_names(partial.path, wanted.filename)
        except IntegrityError:
            partial.drop()
            raise
        store.adopt(partial.path, sha256)
    emit(JobFinished(job=wanted.filename, outcome="done"))
    return True


def _expect_at_most(wanted: Download, size: int, url: str) -> None:
    """End a copy that is longer than the file: whoever writes there may have put one that fills the disk here."""
    if wanted.size is not None and size > wanted.size:
        raise faults.SizeMismatchError(wanted.filename, expected=wanted.size, found=size, url=url)
