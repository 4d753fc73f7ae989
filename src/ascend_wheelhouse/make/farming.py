"""The farm of one run, where it was asked for one: a run that was not imports nothing of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ascend_wheelhouse.base.events import Emit
from ascend_wheelhouse.farm.choice import FarmChoice
from ascend_wheelhouse.locks.lock import Lock
from ascend_wheelhouse.make.building import Building
from ascend_wheelhouse.make.source_files import is_built
from ascend_wheelhouse.store.store import Store

if TYPE_CHECKING:
    from ascend_wheelhouse.farm.farm import Farm


@contextmanager
def farm_of(
    choice: FarmChoice, store: Store, emit: Emit, shared: Farm | None = None
) -> Iterator[Farm | None]:
    """Give the farm that was asked for, or None.

    Args:
        choice: Which one.
        store: From which its workers are sent what they lack.
        emit: Told of the progress.
        shared: The farm that several runs have in common, open already: this one is told of its own builds alone.

    Raises:
        WheelhouseError: It cannot be reached, has no worker, or none of this version.
    """
    if shared is not None:
        yield shared.telling(emit)
        return
    if not choice:
        yield None
        return
    from ascend_wheelhouse.farm.farm import farm

    with farm(choice, store, emit) as found:
        yield found


def tell_unmet(building: Building, lock: Lock) -> None:
    """Tell of all that no worker of the farm can build, before anything is fetched; those components are pending."""
    if building.farm is None:
        return
    due = [source.component for source in lock.sources if not is_built(building.fetcher.store, source)]
    wanted = {name: building.folder.recipes[name] for name in due if building.folder.recipes[name].build}
    building.farm.unmet(wanted, building.cell, building.workshop())
