"""Making one wheelhouse: cell, lock, gather, finish. Each step is kept, so that a stopped run goes on."""

from __future__ import annotations

from ascend_wheelhouse.base.events import Emit
from ascend_wheelhouse.make.begin import begin
from ascend_wheelhouse.make.early_reading import EarlyReading
from ascend_wheelhouse.make.farming import farm_of, tell_unmet
from ascend_wheelhouse.make.finish import finish
from ascend_wheelhouse.make.gather import gather
from ascend_wheelhouse.make.line import Line
from ascend_wheelhouse.make.lock import pinned_lock_of
from ascend_wheelhouse.make.made import Made
from ascend_wheelhouse.make.options import MakeOptions
from ascend_wheelhouse.make.project_folder import ProjectFolder
from ascend_wheelhouse.store.store import Store


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
        LockClosedError: The wheelhouse is another user's, closed to this one; nothing was fetched.
        WheelhouseError: A step failed; the last good wheelhouse stays as it was.
    """
    options.require_output()
    line = line or Line()
    with store.in_use(emit), farm_of(options.farm, store, emit, line.farm) as farm:
        building, locator = begin(options, folder, line.fetcher(options, folder, store, emit), farm)
        lock, pinned = pinned_lock_of(options.lock, folder, building)
        tell_unmet(building, lock)
        cell = building.cell
        reading = EarlyReading(
            lock.wheels, folder.recipes.values(), cell.target.python, store, emit, wanted=options.audit
        )
        with reading as early:
            lock, facts = gather(lock, locator, building, early.take)
            return finish(
                options.output / cell.name,
                lock,
                cell,
                facts,
                folder=folder,
                store=store,
                emit=emit,
                audit=options.audit,
                pinned=pinned,
            )
