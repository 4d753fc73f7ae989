"""The files of a lock, wherever they come from, and what its pending components can be given by now."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace

from ascend_wheelhouse.base.events import Emit, Note
from ascend_wheelhouse.base.waiting import asking
from ascend_wheelhouse.fetch.arrivals import Arrivals
from ascend_wheelhouse.fetch.transfer import Download
from ascend_wheelhouse.locks.lock import Lock, LockedPayload, Pending
from ascend_wheelhouse.locks.pylock import LockedFile
from ascend_wheelhouse.make.fetcher import Fetcher, downloads_of
from ascend_wheelhouse.pin.locate import Answer, Located, Locator
from ascend_wheelhouse.pin.supply import RELEASED, bring_released
from ascend_wheelhouse.store.store import Store


def supplied(lock: Lock, locator: Locator) -> Lock:
    """Return the lock with what its pending components' origins, or a person, can give by now.

    What came from a URL is told of: no lock holds it to a digest.
    """
    from ascend_wheelhouse.pin.locking import locked_payload

    if not lock.pending:
        return lock
    names = [item.component for item in lock.pending]
    with asking(len(names), "supply") as pool:
        answers: list[Answer] = list(pool.map(locator.locate, names))
    found = [answer for answer in answers if isinstance(answer, Located)]
    wheels = [one.file for one in found if one.recipe.kind == "wheel"]
    payloads = [locked_payload(one, locator.cell) for one in found if one.recipe.kind != "wheel"]
    _tell_unpinned(found, locator)
    given = {one.recipe.name for one in found}
    still = {one.component: one for one in answers if isinstance(one, Pending)}
    return replace(
        lock,
        wheels=tuple(sorted((*lock.wheels, *wheels), key=lambda wheel: wheel.name)),
        payloads=(*lock.payloads, *payloads),
        pending=tuple(still.get(one.component, one) for one in lock.pending if one.component not in given),
    )


@contextmanager
def supplying(lock: Lock, locator: Locator, arrivals: Arrivals) -> Iterator[Future[Lock]]:
    """Look for what is pending, as `supplied` does, from when the first file is here."""
    with asking(1, "pending") as pool:
        yield pool.submit(lambda: supplied(lock, locator) if arrivals.wait_for_first() else lock)


def _tell_unpinned(found: Sequence[Located], locator: Locator) -> None:
    for one in found:
        if one.file.origin in RELEASED:
            text = (
                f"{one.file.filename} ({one.recipe.name}) was pending in the lock, and came from its URL: it is taken "
                f"as it came, sha256 {one.file.sha256}. `invoke lock --upgrade {locator.cell.words}` pins it."
            )
            locator.emit(Note(text=text, level="warning"))


def _from_behind(lock: Lock, store: Store, emit: Emit) -> None:
    """Have in the store what is behind it of those files that no index has; their servers are asked for the rest."""
    locked: tuple[LockedFile | LockedPayload, ...] = (*lock.wheels, *lock.payloads)
    released = {one.sha256 for one in locked if one.origin in RELEASED}
    wanted = [one for one in downloads_of(lock) if one.sha256 in released and not store.has(str(one.sha256))]
    if store.behind and wanted:
        store.behind.bring_files(wanted, emit)


def bring(lock: Lock, downloads: Sequence[Download], locator: Locator, fetcher: Fetcher, emit: Emit) -> None:
    """Have files of a lock in the store: from releases, which no index can be asked for, and from the index."""
    if not fetcher.offline:
        _from_behind(lock, fetcher.store, emit)
        bring_released(replace(locator, build=frozenset()), fetcher.store, lock)
    if downloads:
        fetcher.fetch(downloads, emit)
