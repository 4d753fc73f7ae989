"""What the wheels that a lock builds from source start from, as files to fetch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ascend_wheelhouse.fetch.transfer import Download
from ascend_wheelhouse.locks.lock import Lock, LockedSource
from ascend_wheelhouse.make.fetcher import file_download
from ascend_wheelhouse.store.store import Store


def downloads_for(store: Store, lock: Lock) -> list[Download]:
    """Return what the builds still to do need: sources and build environments."""
    return files_of(one for one in lock.sources if not is_built(store, one))


def source_downloads(lock: Lock) -> list[Download]:
    """Return the archives and build environments of a lock's sources."""
    return files_of(lock.sources)


def files_of(sources: Iterable[LockedSource]) -> list[Download]:
    """Return the archives and build environments of some sources."""
    return list(dict.fromkeys(one for source in sources for one in _needed(source)))


def is_built(store: Store, source: LockedSource) -> bool:
    """Tell whether the wheel that a source gives is known and in the store."""
    return source.wheel is not None and store.has(source.wheel.sha256)


def _needed(source: LockedSource) -> Iterator[Download]:
    yield from (file_download(file, urgent=True) for file in source.environment)
    if source.archive:
        yield Download.of(source.archive, name=source.component, urgent=True)
