"""What the wheels that a lock builds from source start from, as files to fetch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from ascend_wheelhouse.build.job import Sources
from ascend_wheelhouse.build.locked import UNSEALED
from ascend_wheelhouse.build.outcome import RECORD
from ascend_wheelhouse.fetch.transfer import Download
from ascend_wheelhouse.locks.lock import Lock, LockedSource
from ascend_wheelhouse.make.fetcher import file_download
from ascend_wheelhouse.store.store import Store
from ascend_wheelhouse.store.store_files import read_json, results_below


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


def offer_built(store: Store, source: LockedSource) -> None:
    """Offer what is behind the store the build of a source that was done long ago, with what it started from."""
    behind, wheel = store.behind, source.wheel
    if behind is None or wheel is None:
        return
    here = [one.expected.sha256 for one in files_of([source])]
    behind.offer_files([sha256 for sha256 in here if sha256 and store.has(sha256)])
    about = {"component": source.component, "source": Sources.from_dict(source.build).digest}
    for key, path in results_below(store.root, "build-"):
        rows = (read_json(path, RECORD) or {}).get("wheels", [])
        files = [store.artifact(row["filename"], row["sha256"]) for row in rows if store.has(row["sha256"])]
        sealed = all(row["sandbox"] not in UNSEALED for row in rows)
        if sealed and len(files) == len(rows) and any(one.sha256 == wheel.sha256 for one in files):
            behind.offer_result(key, files, about)


def _needed(source: LockedSource) -> Iterator[Download]:
    yield from (file_download(file, urgent=True) for file in source.environment)
    if source.archive:
        archive = Download.of(source.archive, name=source.component, urgent=True)
        yield replace(archive, origin=source.origin)
