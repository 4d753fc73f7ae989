"""The shared caches of one run: asked in their order, and given what this run makes, beside its other work."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Collection, Mapping, Sequence

from ascend_wheelhouse.base import counting
from ascend_wheelhouse.base.artifact import Artifact
from ascend_wheelhouse.base.events import Emit, Note
from ascend_wheelhouse.shared_cache.site import Site
from ascend_wheelhouse.store.behind import WantedBlob
from ascend_wheelhouse.store.store import Store

_AT_ONCE = 4


class SharedCaches:
    """What stands behind the store of a run; see `store.behind.Behind`.

    Args:
        sites: The caches, first choice first.
        store: Where files come to and go from.
        named: How many caches were named; one that does not answer is none of the sites.
        emit: Told of what came and went; may be called from any thread.
    """

    def __init__(self, sites: Sequence[Site], store: Store, emit: Emit, *, named: int = 0) -> None:
        self._sites = sites
        self._named = named
        self._store = store
        self._emit = emit
        self._todo: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._offered: set[tuple[Site, str]] = set()
        self._guard = threading.Lock()
        self._workers: list[threading.Thread] = []
        self._fault: Exception | None = None

    @property
    def took_all(self) -> bool:
        """Whether every cache that was named is there, and those that can be written have what was offered."""
        written = (site for site in self._sites if site.remote.writable)
        return len(self._sites) == self._named and all(site.takes for site in written)

    def bring_files(self, wanted: Sequence[WantedBlob], emit: Emit) -> Collection[str]:
        """Have in the store what there is of some files with a promised digest, and return the digests that came."""
        came: set[str] = set()
        for site in self._sites:
            left = [
                one for one in wanted if one.expected.sha256 is not None and one.expected.sha256 not in came
            ]
            came |= site.pull_files(self._store, left, emit)
        return came

    def bring_result(self, key: str) -> bool:
        """Have the record of a key and every file that it names in the store; tell whether they are there now."""
        return any(site.pull_result(self._store, key) for site in self._sites)

    def offer_files(self, digests: Collection[str]) -> None:
        """Push files, beside whatever goes on."""
        for site in self._sites:
            for sha256 in digests:
                if self._is_new(site, sha256):
                    self._later(lambda site=site, sha256=sha256: site.push_file(self._store, sha256))  # type: ignore[misc]

    def offer_result(
        self, key: str, files: Sequence[Artifact], about: Mapping[str, str] | None = None
    ) -> None:
        """Push the record of a key and its files, beside whatever goes on."""
        for site in self._sites:
            if self._is_new(site, key):
                self._later(lambda site=site: site.push_result(self._store, key, files, about or {}))  # type: ignore[misc]

    def _is_new(self, site: Site, what: str) -> bool:
        with self._guard:
            if not site.takes or (site, what) in self._offered:
                return False
            self._offered.add((site, what))
            return True

    def _later(self, action: Callable[[], None]) -> None:
        with self._guard:
            if len(self._workers) < _AT_ONCE:
                worker = threading.Thread(target=self._work, name="push", daemon=True)
                self._workers.append(worker)
                worker.start()
        self._todo.put(action)

    def _work(self) -> None:
        while (action := self._todo.get()) is not None:
            try:
                action()
            except Exception as error:  # noqa: BLE001 - raised in the run's own thread, at its end
                self._fault = error

    def finish(self) -> None:
        """Wait for what is being pushed, and tell what came and went."""
        if any(worker.is_alive() for worker in self._workers) and not self._todo.empty():
            self._emit(Note(text="pushing to the shared cache"))
        with self._store.in_use():
            for _ in self._workers:
                self._todo.put(None)
            for worker in self._workers:
                worker.join()
        if self._fault is not None:
            raise self._fault
        for site in self._sites:
            if text := _summary(site):
                self._emit(Note(text=text))


def _summary(site: Site) -> str:
    counts = site.counts
    parts = []
    if counts.files_pulled:
        parts.append(f"{_both(counts.files_pulled, counts.results_pulled)} came from there")
    if counts.files_pushed or counts.results_pushed:
        parts.append(f"{_both(counts.files_pushed, counts.results_pushed)} were pushed")
    return f"{site.remote.shown}: {', '.join(parts)}" if parts else ""


def _both(files: int, results: int) -> str:
    return f"{counting.counted(files, 'file')} and {counting.counted(results, 'result')}"
