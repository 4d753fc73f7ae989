"""What is laid out from files of the store for many builds: toolchains, CANN's packages and build environments.

All of it can be made again. A folder's own time is that of its last use.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ascend_wheelhouse.base.clock import SystemClock
from ascend_wheelhouse.base.events import Emit
from ascend_wheelhouse.node.scratch import PREFIX, scratch
from ascend_wheelhouse.store.store import Store
from ascend_wheelhouse.store.store_files import held_by

FOLDERS = ("toolchains", "environments")
UNUSED_DAYS = 30
"""After so many days without a use `--prune` removes one."""
_DAY = 86400.0


@dataclass(frozen=True, kw_only=True)
class LaidOut:
    """One folder that was laid out.

    Args:
        place: The folder.
        held: Bytes that it takes on the disk.
        used: When it was last used, in seconds since 1970.
    """

    place: Path
    held: int
    used: float


def mark_used(place: Path) -> None:
    """Let a folder's time be now; a store that cannot be written stays as it is."""
    with suppress(OSError):
        os.utime(place)


def laid_out(store: Store) -> list[LaidOut]:
    """Return what is laid out in a store."""
    return list(_found(store))


def prune_laid_out(store: Store, emit: Emit) -> int:
    """Remove what no build has used for `UNUSED_DAYS`, once no run is at work on the store; return the bytes freed."""
    freed = 0
    with store.alone(emit):
        for one in _found(store):
            if SystemClock().wall() - one.used > UNUSED_DAYS * _DAY:
                with scratch(one.place.parent) as work:
                    one.place.rename(work / one.place.name)  # half of it is seen by nobody
                freed += one.held
    return freed


def _found(store: Store) -> Iterator[LaidOut]:
    for folder in FOLDERS:
        for place in sorted((store.root / folder).glob("*")):
            if place.is_dir() and not place.name.startswith(PREFIX):
                files = (Path(above, name) for above, _, names in os.walk(place) for name in names)
                held = sum(map(held_by, files))
                yield LaidOut(place=place, held=held, used=place.stat().st_mtime)
