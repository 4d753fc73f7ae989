"""`invoke fetch`: the locked files into the store, and nothing else."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path

from ascend_wheelhouse import console
from ascend_wheelhouse.cells.request import Request
from ascend_wheelhouse.console import words as forms
from ascend_wheelhouse.make.asked_cell import cell_of
from ascend_wheelhouse.make.building import building_of
from ascend_wheelhouse.make.carried_sources import bring_sources
from ascend_wheelhouse.make.fetcher import Fetcher, downloads_of
from ascend_wheelhouse.make.lock import lock_of
from ascend_wheelhouse.make.options import LockChoice
from ascend_wheelhouse.make.project_folder import ProjectFolder
from ascend_wheelhouse.make.source_files import source_downloads
from ascend_wheelhouse.shared_cache.backed_store import store_with
from ascend_wheelhouse.shared_cache.choice import CacheChoice


@dataclass(frozen=True, kw_only=True)
class FetchOptions:
    """What `invoke fetch` was asked for.

    Args:
        root: The project folder.
        request: The cell whose lock is fetched.
        offline: Ask no origin: say what the store lacks.
        cache: Shared caches.
        json: Print one JSON document.
    """

    root: Path
    request: Request
    offline: bool = False
    cache: CacheChoice = field(default_factory=CacheChoice)
    json: bool = False


def main(options: FetchOptions) -> None:
    """Fetch everything that the lock of a cell names."""
    with (
        console.reporter("json" if options.json else "auto", stream=sys.stderr) as emit,
        store_with(options.cache, emit, offline=options.offline) as store,
    ):
        folder = ProjectFolder.load(options.root)
        fetcher = Fetcher(recipes=folder.recipes, store=store, offline=options.offline, emit=emit)
        with fetcher.store.in_use(emit):
            cell = cell_of(options.request, folder, fetcher.http, offline=options.offline)
            building = building_of(cell, folder, fetcher)
            lock = lock_of(LockChoice(request=options.request), folder, building)
            every = {one.sha256: one for one in (*source_downloads(lock), *downloads_of(lock))}
            wanted = list(every.values())
            fetcher.fetch(wanted)
            bring_sources(lock, building)
    size = sum(each.size or 0 for each in wanted)
    if options.json:
        console.print_json({"files": len(wanted), "bytes": size, "store": str(fetcher.store.root)})
    else:
        console.line(
            f"{forms.counted(len(wanted), 'file')}, {forms.size(size)}, {forms.be(len(wanted))} in the store"
        )
