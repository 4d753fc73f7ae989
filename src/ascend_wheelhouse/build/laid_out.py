"""What many builds use and the store can do without: toolchains, CANN's packages, build environments, compiled objects.

All of it can be made again. A folder's own time is that of its last use. Beside it lie the folders of builds that
failed, kept for who looks into the failure.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from ascend_wheelhouse.base import rights
from ascend_wheelhouse.base.clock import SystemClock
from ascend_wheelhouse.base.events import Emit, Note
from ascend_wheelhouse.node.scratch import PREFIX, scratch
from ascend_wheelhouse.store.store import Store

TOOLCHAINS = "toolchains"
OBJECTS = "objects"
"""Where compiler caches are, one for each component."""
FAILED = "builds"
"""Where the folders of builds are that failed or were killed."""
FOLDERS = (TOOLCHAINS, "environments", OBJECTS)
UNUSED_DAYS = 30
"""After so many days without a use `--prune` removes one."""
_DAY = 86400.0
_BLOCK = 512


@dataclass(frozen=True, kw_only=True)
class LaidOut:
    """One folder that was laid out.

    Args:
        place: The folder.
        held: Bytes that it takes on the disk, as far as this user may look; a file that several share counts once.
        used: When it was last used, in seconds since 1970.
    """

    place: Path
    held: int
    used: float


def toolchain_folder(store: Store, name: str, lay: Callable[[Path], Path]) -> Path:
    """Return a folder of tools, laid out on first use; users of a group's store share it.

    Args:
        store: Where it lies.
        name: Its name, which says what it was made from.
        lay: Makes it in an empty folder, and returns it.

    Raises:
        OSError: It cannot be made; half of it is seen by nobody.
    """
    with store.lock(f"toolchain-{name}"):
        folder = rights.readable(rights.make_folder(store.root, TOOLCHAINS) / name)
        if not folder.is_dir():
            with scratch(folder.parent) as work:
                made = lay(work)
                rights.share_tree(made, folder.parent)
                made.rename(folder)
        mark_used(folder)
    return folder


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
                with unless_anothers(one.place, emit), scratch(one.place.parent) as work:
                    one.place.rename(work / one.place.name)  # half of it is seen by nobody
                    freed += one.held
    return freed


@contextmanager
def unless_anothers(place: Path, emit: Emit) -> Iterator[None]:
    """Remove a folder in this block; one of another user, which this one may not remove, stays and is told."""
    try:
        yield
    except PermissionError:
        if place.stat().st_uid == os.geteuid():
            raise
        emit(Note(text=f"{place} stays: it is another user's, who alone may remove it", level="warning"))


def failed_builds(store: Store) -> list[LaidOut]:
    """Return the folders of builds that failed or were killed, the newest first, and of those that run now."""
    return sorted(_found(store, (FAILED,)), key=lambda one: (-one.used, one.place.name))


def prune_failed(store: Store, emit: Emit) -> int:
    """Remove them but the newest of each component, once no run is at work on the store; return the bytes freed."""
    freed = 0
    newest: set[str] = set()
    with store.alone(emit):
        for one in failed_builds(store):
            component = one.place.name.rpartition("-")[0]
            if component in newest:
                with unless_anothers(one.place, emit):
                    shutil.rmtree(one.place)
                    freed += one.held
            newest.add(component)
    return freed


def _found(store: Store, folders: Iterable[str] = FOLDERS) -> Iterator[LaidOut]:
    seen: set[tuple[int, int]] = set()
    for folder in folders:
        for place in sorted((store.root / folder).glob("*")):
            if place.is_dir() and not place.name.startswith(PREFIX):
                yield LaidOut(place=place, held=_held(place, seen), used=place.stat().st_mtime)


def _held(place: Path, seen: set[tuple[int, int]]) -> int:
    held, waiting = 0, [os.fspath(place)]
    while waiting:
        with suppress(FileNotFoundError, PermissionError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                    continue
                found = entry.stat(follow_symlinks=False)
                if found.st_nlink > 1:
                    if (found.st_dev, found.st_ino) in seen:
                        continue
                    seen.add((found.st_dev, found.st_ino))
                held += min(found.st_size, found.st_blocks * _BLOCK)
    return held
