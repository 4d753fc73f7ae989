"""Files of components that no package index has: imported by a person, or from a release URL."""

from __future__ import annotations

from collections.abc import Mapping

from ascend_wheelhouse.base.errors import IntegrityError
from ascend_wheelhouse.base.events import Emit
from ascend_wheelhouse.cells.artefact_name import NameFacts
from ascend_wheelhouse.cells.cell import Cell
from ascend_wheelhouse.cells.recipe import ArchiveOrigin, UrlOrigin
from ascend_wheelhouse.fetch.url import Releases, filled
from ascend_wheelhouse.locks.lock import Lock, LockedPayload
from ascend_wheelhouse.locks.pylock import LockedFile
from ascend_wheelhouse.origins.http import Http
from ascend_wheelhouse.pin.locate import Elsewhere, HandedOver, Located, Locator, Release, Vendored
from ascend_wheelhouse.store.store import Store
from ascend_wheelhouse.store.vendored import list_vendored, vendored_record, vendored_source

RELEASED = frozenset({"url", "archive"})
"""Origins of files that no index has."""
_TOLD = 2


class ReleaseChangedError(IntegrityError):
    """A release file has other bytes than the lock says."""


def _wanted(component: str, cell: Cell) -> NameFacts:
    return NameFacts(
        version=cell.components[component],
        machine=cell.target.machine,
        npu=cell.target.npu,
        cann=cell.cann,
        torch=cell.torch,
        python_tag=cell.fields["python_tag"],
    )


def imported_otherwise(store: Store) -> Elsewhere:
    """Return what tells of files that `invoke vendor` took in for another cell than the one that lacks them."""

    def look_up(component: str, cell: Cell) -> str:
        wanted = _wanted(component, cell)
        known = [record for record in list_vendored(store) if record.component == component]
        same = [record for record in known if record.facts.version == wanted.version] or known
        if not same:
            return ""
        theirs = "; ".join(f"{record.filename} is for {record.facts.words}" for record in same[:_TOLD])
        return f"imported, but for another cell: {theirs}; this cell is {wanted.words}"

    return look_up


def imported(store: Store) -> Vendored:
    """Return the look-up of what `invoke vendor` took in."""

    def look_up(component: str, cell: Cell) -> LockedFile | None:
        record = vendored_record(store, component, _wanted(component, cell))
        if record is None or record.kind == "source":
            return None
        return LockedFile.of(record.artifact, component=component, origin="vendored")

    return look_up


def handed_over(store: Store) -> HandedOver:
    """Return the look-up of sources that `invoke vendor` took in."""
    return lambda component, version: vendored_source(store, component, version)


def released(store: Store, http: Http, emit: Emit) -> Release:
    """Return what brings the file of a URL or archive origin into the store."""
    releases = Releases(store, http, emit)

    def bring(origin: UrlOrigin | ArchiveOrigin, fields: Mapping[str, str]) -> LockedFile:
        url = filled(origin.url, fields)
        if isinstance(origin, ArchiveOrigin):
            held = releases.member(url, origin.member)
        else:
            held = releases.file(url, headers=origin.headers)
        return LockedFile.of(held, origin=origin.kind)

    return bring


def bring_released(locator: Locator, store: Store, lock: Lock) -> None:
    """Bring locked files that came from a URL or a release archive, which no index can be asked for.

    Raises:
        ReleaseChangedError: The release has other bytes now than when the lock was made.
    """
    locked_files: tuple[LockedFile | LockedPayload, ...] = (*lock.wheels, *lock.payloads)
    for item in locked_files:
        if item.origin not in RELEASED or not item.component or store.has(item.sha256):
            continue
        answer = locator.locate(item.component)
        if isinstance(answer, Located) and answer.file.sha256 != item.sha256:
            raise ReleaseChangedError(
                f"{item.filename}: the lock says sha256 {item.sha256}, the release has {answer.file.sha256}.",
                why="The release was replaced after the lock was made, or a mirror holds another one.",
                next_step="check which is right; `invoke lock --upgrade {cell}` accepts the new one",
            )
