"""What ready-made wheels say of themselves, read while others are still on their way.

What reads them is imported while the first bytes come, and what the wheelhouse's page is made with after it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ascend_wheelhouse.base.events import Emit
from ascend_wheelhouse.base.timed import timed
from ascend_wheelhouse.fetch.arrivals import Arrivals
from ascend_wheelhouse.locks.lock import Lock
from ascend_wheelhouse.locks.pylock import LockedFile
from ascend_wheelhouse.make.page import prepare_page
from ascend_wheelhouse.store.store import Store

if TYPE_CHECKING:
    from ascend_wheelhouse.folder.contents import Facts
    from ascend_wheelhouse.folder.sbom import SbomFacts

Take = Callable[[LockedFile], None]
"""Told of each wheel that came."""


def read_wheels(lock: Lock, store: Store, arrivals: Arrivals, emit: Emit, take: Take) -> Facts:
    """Read the wheels as they come, and tell of each that came."""
    arrivals.wait_for_first()
    with timed(emit, "read", "what reads wheels"):
        from ascend_wheelhouse.folder.contents import facts_of
    prepared = False
    wheels = {wheel.filename: wheel for wheel in lock.wheels}
    found: dict[str, SbomFacts] = {}
    for name in arrivals.names():
        if name in wheels:
            take(wheels[name])
            with timed(emit, "read", name):
                found.update(facts_of([wheels[name]], store))
        if not prepared:
            prepare_page()
            prepared = True
    return found
