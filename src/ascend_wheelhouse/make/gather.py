"""Every file of a lock into the store: fetched, supplied and built at once, and read as it comes.

What the later steps need is imported by them, while the files are on their way.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from ascend_wheelhouse.base.collector import paused
from ascend_wheelhouse.fetch.arrivals import Arrivals
from ascend_wheelhouse.locks.lock import Lock, LockedSource, Pending
from ascend_wheelhouse.make.building import Building
from ascend_wheelhouse.make.carried_sources import bring_sources
from ascend_wheelhouse.make.fetcher import downloads_of
from ascend_wheelhouse.make.reading import Take, read_wheels
from ascend_wheelhouse.make.source_files import downloads_for
from ascend_wheelhouse.make.source_wheels import build_sources, with_built
from ascend_wheelhouse.make.supply import bring, supplying
from ascend_wheelhouse.pin.locate import Locator

if TYPE_CHECKING:
    from ascend_wheelhouse.folder.contents import Facts


@paused()
def gather(lock: Lock, locator: Locator, building: Building, take: Take) -> tuple[Lock, Facts]:
    """Have every file of a lock in the store: pending ones are looked for, wheels fetched and built, all at once.

    Args:
        lock: The lock.
        locator: Asks the origins of what is pending.
        building: Builds what the lock makes from source; its fetcher brings the rest.
        take: Told of each wheel as it comes.

    Returns:
        The lock with what was found and built, and what the ready-made wheels say of themselves.
    """
    fetcher = building.fetcher
    needed = downloads_for(fetcher.store, lock)
    fetcher.sift([*downloads_of(lock), *needed])
    wanted = {one.sha256: one for one in (*downloads_of(lock), *needed)}
    arrivals = Arrivals([one.filename for one in needed], fetcher.emit)
    with (
        ThreadPoolExecutor(2, thread_name_prefix="gather") as pool,
        supplying(lock, locator, arrivals) as given,
    ):
        building_all = pool.submit(_built, lock, building, arrivals)
        reading = pool.submit(read_wheels, lock, fetcher.store, arrivals, fetcher.emit, take)
        with arrivals:
            bring(lock, list(wanted.values()), locator, fetcher, arrivals)
        more = given.result()
        found = [one for one in downloads_of(more) if one.sha256 not in wanted]
        bring(more, found, locator, fetcher, fetcher.emit)
    whole = with_built(more, building_all.result())
    bring_sources(whole, building)
    return whole, reading.result()


def _built(lock: Lock, building: Building, arrivals: Arrivals) -> list[LockedSource | Pending]:
    """Build as soon as what that needs is here."""
    return build_sources(building, lock) if arrivals.wait() else []
