"""A cache by its URL: looked into and pruned, without a run that uses it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from ascend_wheelhouse.base.errors import SourceUnreachableError, UsageError, WheelhouseError
from ascend_wheelhouse.origins.http import Http
from ascend_wheelhouse.shared_cache.address import Address
from ascend_wheelhouse.shared_cache.opening import CacheNotWritableError, reach, refused
from ascend_wheelhouse.shared_cache.remote import MissingPlaceError, Remote, RemoteError, RemoteRefusedError
from ascend_wheelhouse.shared_cache.retention import Holdings, InUse, Removed, Retention, holdings, prune
from ascend_wheelhouse.shared_cache.site import MARK, MARK_CONTENT


class CacheUnreachableError(SourceUnreachableError):
    """A cache that is to be looked into does not answer."""


class NoCacheError(UsageError):
    """A place that is to be pruned is none of our caches: other programs have folders of these names, too."""


def row(url: str, retention: Retention, in_use: InUse | None) -> dict[str, Any]:
    """Return what a cache holds, as `--json` tells it, and what was removed from it before.

    Args:
        url: Where it is.
        retention: What stays beside what is in use.
        in_use: What locks name; nothing is removed when None.

    Raises:
        CacheUrlError: The URL is none.
        CacheRefusedError, CacheNotWritableError: This login may not read there, or not remove.
        CacheUnreachableError: It does not answer.
        NoCacheError: It is to be pruned, and nobody has pushed there.
    """
    remote = reach(Address.of(url), Http())
    with _telling(remote):
        removed = _pruned(remote, retention, in_use) if in_use else Removed(files=0, file_bytes=0, results=0)
        held = holdings(remote) if remote.writable else None
    return _row(remote, held, removed)


def failed_row(url: str, error: WheelhouseError) -> dict[str, Any]:
    """Return the row of a cache that failed: how much is there, and what was removed before, nobody knows."""
    counts = ("files", "file_bytes", "results", "removed_files", "freed_bytes", "removed_results")
    return {"url": Address.of(url).shown, **dict.fromkeys(counts), "error": error.as_dict()}


def require_caches(urls: Iterable[str]) -> None:
    """See that each place is a cache that answers, before anything is removed from the first.

    Raises:
        WheelhouseError: As `row`.
    """
    for url in urls:
        remote = reach(Address.of(url), Http())
        with _telling(remote):
            _require_mark(remote)


@contextmanager
def _telling(remote: Remote) -> Iterator[None]:
    try:
        yield
    except RemoteRefusedError as error:
        raise refused(remote, error) from error
    except MissingPlaceError as error:
        raise CacheUnreachableError(
            f"{remote.shown} does not answer: {error}.",
            why="Its URL is mistyped, or nobody has made the place yet.",
            next_step="correct --cache",
        ) from error
    except RemoteError as error:
        raise CacheUnreachableError(
            f"{remote.shown} does not answer: {error}.", next_step="the same command again, once it does"
        ) from error


def _require_mark(remote: Remote) -> None:
    if remote.read(MARK) != MARK_CONTENT:
        raise NoCacheError(
            f"{remote.shown} is no cache that this version of the tool knows: nothing is removed there.",
            why=f"A cache has a file {MARK} from its first push on. Image layouts and others have a folder blobs, too.",
            next_step="correct --cache",
        )


def _pruned(remote: Remote, retention: Retention, in_use: InUse) -> Removed:
    _require_mark(remote)
    try:
        return prune(remote, retention, in_use)
    except RemoteRefusedError as error:
        raise CacheNotWritableError(
            f"{remote.shown} lets this login remove nothing: {error}.",
            why="Pruning writes, lists and removes; docs/cache.md lists the rights that it takes.",
            next_step="run it with the login of who keeps the cache",
        ) from error


def _row(remote: Remote, held: Holdings | None, removed: Removed) -> dict[str, Any]:
    return {
        "url": remote.shown,
        "files": held.files if held else None,
        "file_bytes": held.file_bytes if held else None,
        "results": held.results if held else None,
        "removed_files": removed.files,
        "freed_bytes": removed.file_bytes,
        "removed_results": removed.results,
        "error": None,
    }
