"""The kept trees of a store: where each lies, who builds in it, what it takes, and which of them go."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Container, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from ascend_wheelhouse.base import flocks, rights
from ascend_wheelhouse.base.events import Emit, Note
from ascend_wheelhouse.build.laid_out import unless_anothers
from ascend_wheelhouse.console.tree_view import TreeRow
from ascend_wheelhouse.store.store import Store
from ascend_wheelhouse.store.store_files import held_by, status

FOLDER = "trees"
USED = "used"
"""The file in a tree whose time is that of its last build."""
HALF = "half-synchronised"
"""The file in a tree whose files are being changed: one that a killed run left is thrown away."""


@dataclass(frozen=True, kw_only=True)
class HeldTree:
    """A kept tree in the store.

    Args:
        place: Its folder.
        component: Whose it is.
        held: Bytes that it takes on the disk.
        used: When its last build began, nanoseconds since 1970; 0 where that is not known.
    """

    place: Path
    component: str
    held: int
    used: int


def place_of(store: Store, component: str, digest: str) -> Path:
    """Return where a kept tree lies; each user has his own: a build sets times, which the owner of a file alone may."""
    return rights.own(store.root / FOLDER / f"{component}-{digest[:12]}")


@contextmanager
def alone(store: Store, place: Path, emit: Emit) -> Iterator[None]:
    """Hold a kept tree; waits, and says so, while another run builds in it."""

    def tell() -> None:
        emit(Note(text=f"waiting: another run builds in the kept tree {place.name}", level="warning"))

    with _lock_file(store, place) as number:
        flocks.take(number, flocks.ALONE, tell)
        yield


def held_trees(store: Store, components: Container[str] | None = None) -> list[HeldTree]:
    """Return the kept trees, the one that was used last first.

    Args:
        store: Where they lie.
        components: Those of other components are not looked at; None for all.
    """
    found = []
    for place in (store.root / FOLDER).glob("*"):
        component = place.name.rpartition("-")[0]
        if components is not None and component not in components:
            continue
        last = status(place / USED)
        held = sum(held_by(Path(parent, name)) for parent, _, files in os.walk(place) for name in files)
        used = last.st_mtime_ns if last else 0
        found.append(HeldTree(place=place, component=component, held=held, used=used))
    return sorted(found, key=lambda tree: (-tree.used, tree.place.name))


def tree_rows(trees: Iterable[HeldTree]) -> tuple[TreeRow, ...]:
    """Return kept trees as they are shown."""
    return tuple(
        TreeRow(
            name=tree.place.name,
            component=tree.component,
            size=tree.held,
            used=tree.used // 10**9 if tree.used else None,
        )
        for tree in trees
    )


def prune_trees(store: Store, emit: Emit) -> int:
    """Remove the kept trees but the one of each component that was used last; return the bytes freed.

    One that a run builds in stays, and one of another user.
    """
    freed = 0
    newest: set[str] = set()
    for tree in held_trees(store):
        if tree.component in newest:
            with _lock_file(store, tree.place) as number, suppress(BlockingIOError):
                fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
                with unless_anothers(tree.place, emit):
                    (tree.place / HALF).touch()
                    shutil.rmtree(tree.place)
                    freed += tree.held
        newest.add(tree.component)
    return freed


@contextmanager
def _lock_file(store: Store, place: Path) -> Iterator[int]:
    number = rights.lock_file(rights.make_folder(store.root, "locks") / f"tree-{place.name}")
    try:
        yield number
    finally:
        os.close(number)
