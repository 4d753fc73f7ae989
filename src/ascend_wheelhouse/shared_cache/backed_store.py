"""The store of a run, with its shared caches behind it; light to import where there are none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from ascend_wheelhouse.base.events import Emit
from ascend_wheelhouse.shared_cache.choice import CacheChoice
from ascend_wheelhouse.store.store import Store


@contextmanager
def store_with(choice: CacheChoice, emit: Emit, *, offline: bool = False) -> Iterator[Store]:
    """Give the store of a run with its caches behind it; what is pushed is waited for at the end.

    Args:
        choice: The caches.
        emit: Told of warnings, and of what came and went.
        offline: Use the store alone.

    Raises:
        UsageError: A URL, the key or a trusted key is none.
        CacheLibraryMissingError: What reaches a cache is not installed.
        CacheRefusedError, CacheNotWritableError: A cache lets this host not do what it was told to.
    """
    store = Store()
    if offline or not choice.urls:
        yield store
        return
    from ascend_wheelhouse.shared_cache.opening import open_sites  # noqa: PLC0415 - most runs have no cache
    from ascend_wheelhouse.shared_cache.shared import SharedCaches  # noqa: PLC0415 - as above

    store.behind = caches = SharedCaches(open_sites(choice, emit), store, emit, named=len(choice.urls))
    try:
        yield store
    except Exception:
        with suppress(
            Exception
        ):  # what was built before the fault is of use to others; the fault is what is told
            caches.finish()
        raise
    caches.finish()
