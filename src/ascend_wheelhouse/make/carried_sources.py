"""What `sources/` of a wheelhouse is to carry, brought into the store as far as origins answer."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from ascend_wheelhouse.base.errors import ResolveError, SourceUnreachableError
from ascend_wheelhouse.base.events import Note, silent
from ascend_wheelhouse.base.timed import timed
from ascend_wheelhouse.locks.lock import Lock
from ascend_wheelhouse.make.building import Building
from ascend_wheelhouse.make.source_files import source_downloads


def bring_sources(lock: Lock, building: Building) -> None:
    """Have in the store what `sources/` carries, and tell what stays away."""
    with timed(building.fetcher.emit, "fetch", "sources that are carried along"):
        _bring_lacking(lock, building)


def _bring_lacking(lock: Lock, building: Building) -> None:
    from ascend_wheelhouse.folder import carried

    cell, recipes, fetcher = building.cell, building.folder.recipes, building.fetcher
    wanted = carried.lacking(lock, cell, recipes, fetcher.store)
    if wanted and not fetcher.offline:
        _bring(lock, replace(building, fetcher=replace(fetcher, emit=silent)))
        wanted = carried.lacking(lock, cell, recipes, fetcher.store)
    for file in wanted:
        text = f"sources/ lacks {file.filename}: {file.component} cannot be built from this wheelhouse alone"
        fetcher.emit(Note(text=text, level="warning"))


def _bring(lock: Lock, quiet: Building) -> None:
    """Ask for each file and commit; one that does not answer keeps no other away."""
    with suppress(SourceUnreachableError, ResolveError):
        quiet.fetcher.fetch(source_downloads(lock))
    for source in lock.sources:
        with suppress(SourceUnreachableError, ResolveError):
            if source.build:
                quiet.source_builds().bring(source, quiet.folder.recipes[source.component])
