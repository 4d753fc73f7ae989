"""Making one wheelhouse: cell, lock, gather, finish. Each step is kept, so that a stopped run goes on."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ascend_wheelhouse.base.events import Emit
from ascend_wheelhouse.base.timed import timed
from ascend_wheelhouse.make.building import building_of
from ascend_wheelhouse.make.carried_sources import bring_sources
from ascend_wheelhouse.make.farming import farm_of, tell_unmet
from ascend_wheelhouse.make.fetcher import Fetcher
from ascend_wheelhouse.make.finish import Made, finish
from ascend_wheelhouse.make.freshness import lock_digest
from ascend_wheelhouse.make.gather import gather
from ascend_wheelhouse.make.locator import locator_of
from ascend_wheelhouse.make.lock import lock_of
from ascend_wheelhouse.make.options import MakeOptions
from ascend_wheelhouse.make.project_folder import ProjectFolder, cell_of
from ascend_wheelhouse.origins.http import Http
from ascend_wheelhouse.store.store import Store

if TYPE_CHECKING:
    from ascend_wheelhouse.farm.farm import Farm


@dataclass(frozen=True, kw_only=True)
class Line:
    """What several runs of one process have in common towards other hosts.

    Args:
        http: The client of every origin.
        turn: Held by the one that fetches; see `Fetcher`.
        farm: The farm that was asked for; each run opens its own when None.
    """

    http: Http = field(default_factory=Http)
    turn: AbstractContextManager[object] = field(default_factory=nullcontext)
    farm: Farm | None = None


def make(
    options: MakeOptions, folder: ProjectFolder, *, store: Store, emit: Emit, line: Line | None = None
) -> Made:
    """Make a wheelhouse and return it.

    Args:
        options: What is asked for.
        folder: Recipes, stacks and lock files.
        store: Where cached bytes are.
        emit: Told of the progress.
        line: Shared with other runs; one of its own when None.

    Raises:
        WheelhouseError: A step failed; the last good wheelhouse stays as it was.
    """
    line = line or Line()
    with store.in_use(emit), farm_of(options.farm, store, emit, line.farm) as farm:
        fetcher = Fetcher(
            recipes=folder.recipes,
            store=store,
            offline=options.offline,
            emit=emit,
            http=line.http,
            turn=line.turn,
        )
        return _make(options, folder, fetcher, farm)


def _make(options: MakeOptions, folder: ProjectFolder, fetcher: Fetcher, farm: Farm | None) -> Made:
    store, emit = fetcher.store, fetcher.emit
    with timed(emit, "resolve", "cell"):
        cell = cell_of(options.lock.request, folder, fetcher.http)
        building = building_of(cell, folder, fetcher, options.build, farm)
    with timed(emit, "resolve", "lock"):
        lock = lock_of(options.lock, folder, building)
    pinned = lock_digest(folder.lock_layers(cell))
    locator = locator_of(cell, folder, fetcher, build=options.lock.build, offline=options.offline)
    tell_unmet(building, lock)
    lock, facts = gather(lock, locator, building)
    with timed(emit, "fetch", "sources that are carried along"):
        bring_sources(lock, building)
    final = options.output / cell.name
    return finish(
        final, lock, cell, facts, folder=folder, store=store, emit=emit, audit=options.audit, pinned=pinned
    )
