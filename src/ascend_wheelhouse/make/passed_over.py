"""Imported files that fit a cell, and that its lock passes over: it names other bytes, and what it names is taken.

A person who imported a wheel of their own expects it in the wheelhouse. A lock was made from what there was then, and
nothing but a new one takes the wheel in.
"""

from __future__ import annotations

from collections.abc import Iterator

from ascend_wheelhouse.base.artifact import Artifact
from ascend_wheelhouse.cells.cell import Cell
from ascend_wheelhouse.locks.lock import Lock, LockedPayload, LockedSource
from ascend_wheelhouse.locks.pylock import LockedFile
from ascend_wheelhouse.make.relock import again
from ascend_wheelhouse.pin.supply import handed_over, imported
from ascend_wheelhouse.store.store import Store
from ascend_wheelhouse.store.vendored import list_vendored

_DIGITS = 12


def passed_over(cell: Cell, lock: Lock, store: Store, build: frozenset[str] = frozenset()) -> str:
    """Return a text on the imported files that a lock has others for; empty where there are none.

    Args:
        cell: The cell.
        lock: Its lock.
        store: Holds the imported files.
        build: Components that are built from source although a wheel of them was imported.
    """
    named = {one.sha256 for one in (*lock.wheels, *lock.payloads)}
    pairs = (*_components(cell, lock, store, build), *_others(lock, store))
    found = [(file, other) for file, other in pairs if file.sha256 not in named]
    if not found:
        return ""
    told = (
        f"{file.filename} (sha256 {file.sha256[:_DIGITS]}; the lock has {other})" for file, other in found
    )
    what = "another file" if len(found) == 1 else "others"
    return f"Imported, but not taken, since the lock names {what}: {', '.join(told)}. {_instead(cell, lock)}"


def _components(
    cell: Cell, lock: Lock, store: Store, build: frozenset[str]
) -> Iterator[tuple[Artifact, str]]:
    """Yield each component's imported file with what the lock has of it; what is pending there is looked for anyway."""
    look_up, sources = imported(store), handed_over(store)
    files: tuple[LockedFile | LockedPayload, ...] = (*lock.wheels, *lock.payloads)
    locked = {one.component: _named(one) for one in files}
    for source in lock.sources:
        record = sources(source.component, source.version)
        if record is not None and not _is_of(source, record.filename, record.sha256):
            yield record.artifact, _source(source)
        locked[source.component] = f"what is built from {_source(source)}"
    for name in cell.components:
        file = look_up(name, cell) if name in locked and name not in build else None
        if file is not None:
            yield file.artifact, locked[name]


def _others(lock: Lock, store: Store) -> Iterator[tuple[Artifact, str]]:
    """Yield each imported wheel of no component that stands under the name of a locked one."""
    locked = {one.filename: one for one in lock.wheels if not one.component}
    for record in list_vendored(store):
        if not record.component and record.filename in locked:
            yield record.artifact, _named(locked[record.filename])


def _named(one: LockedFile | LockedPayload) -> str:
    return f"{one.sha256[:_DIGITS]}, origin {one.origin}"


def _source(source: LockedSource) -> str:
    if source.archive is not None:
        return f"{source.archive.filename}, {source.archive.sha256[:_DIGITS]}"
    return f"commit {source.commit[:_DIGITS]}"


def _is_of(source: LockedSource, filename: str, sha256: str) -> bool:
    if source.archive is not None:
        return source.archive.sha256 == sha256
    return filename == f"{source.commit}.bundle"


def _instead(cell: Cell, lock: Lock) -> str:
    """Return what locks it, and leaves what is not imported as of the day that the lock knows."""
    rest = ", and asks the index as of the lock's day" if lock.inputs.exclude_newer else ""
    return f"`{again(cell, lock)}` takes what was imported{rest}."
