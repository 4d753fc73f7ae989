"""Locked files into the store, looked up on the index by their names and held to their digests."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace

from ascend_wheelhouse.base.errors import IntegrityError, WheelhouseError
from ascend_wheelhouse.base.events import Emit, Note, silent
from ascend_wheelhouse.cells.recipe import Recipes, own_indexes
from ascend_wheelhouse.fetch.fetch import fetch_all
from ascend_wheelhouse.fetch.transfer import Download
from ascend_wheelhouse.locks.lock import Lock, LockedPayload
from ascend_wheelhouse.locks.pylock import LockedFile
from ascend_wheelhouse.origins.http import Http
from ascend_wheelhouse.origins.index import Finder, LockedFileChangedError, LockedFileGoneError
from ascend_wheelhouse.store.store import Store


class ChangedInStoreError(IntegrityError):
    """A file in the store is not the one that the lock names, and may not be fetched again."""


class ImportedElsewhereError(LockedFileGoneError):
    """A locked file was imported on the host that made the lock, and neither this store nor an index has it."""


@dataclass(frozen=True, kw_only=True)
class Fetcher:
    """Brings files from the index into the store.

    Args:
        recipes: They name the indexes that some distributions have of their own.
        store: Where the files go.
        http: The client of every origin.
        offline: Ask no origin: a file that the store lacks is an error.
        emit: Told of the progress.
        turn: Held while files are fetched: of runs that have one in common, one fetches at a time, with the whole
            line, and those after it find in the store what it brought.
    """

    recipes: Recipes
    store: Store = field(default_factory=Store)
    http: Http = field(default_factory=Http)
    offline: bool = False
    emit: Emit = silent
    turn: AbstractContextManager[object] = field(default_factory=nullcontext)

    def __post_init__(self) -> None:
        """Have the run told of what its client waits for."""
        if self.emit is not silent:
            self.http.tell = self.emit

    def fetch(self, downloads: Sequence[Download], emit: Emit | None = None) -> None:
        """Have files in the store; `emit` is the fetcher's own when None."""
        finder = Finder(self.http)
        own = own_indexes(self.recipes)

        def where(wanted: Download) -> Sequence[str]:
            also = own.get(wanted.name, ())
            try:
                return finder.where(wanted.name, wanted.filename, str(wanted.sha256), also=also)
            except (LockedFileChangedError, LockedFileGoneError) as error:
                if wanted.origin != "vendored":
                    raise
                raise _imported_elsewhere(wanted, error) from error

        with self.turn:
            fetch_all(
                downloads,
                self.store,
                emit or self.emit,
                http=self.http,
                locate=where,
                offline=self.offline,
            )

    def sift(self, wanted: Sequence[Download]) -> None:
        """Hash what the store holds of the files wanted; what was changed there is removed, and fetched again.

        Raises:
            ChangedInStoreError: A file was changed, and this run may not fetch.
        """
        here = {str(one.sha256): one for one in wanted if one.sha256 and self.store.has(one.sha256)}
        with self.turn:  # what two runs have in common is hashed by the first
            damaged = self.store.damaged(here)
        for error in damaged:
            name = here[error.sha256].filename
            if self.offline:
                raise ChangedInStoreError(
                    f"{name} was changed in the store: {error.what}",
                    why=error.why,
                    next_step="the same command without --offline, or: invoke vendor FILE",
                )
            self.emit(Note(text=f"{name} was changed in the store; it is fetched again", level="warning"))


def _imported_elsewhere(wanted: Download, error: WheelhouseError) -> ImportedElsewhereError:
    return ImportedElsewhereError(
        f"{wanted.filename} (sha256 {str(wanted.sha256)[:12]}) was imported where the lock was made, and is not here.",
        why="The index offers another file of that name."
        if isinstance(error, LockedFileChangedError)
        else "No index offers a file of that name.",
        next_step="bring that very file, and `invoke vendor FILE`; or `invoke lock --upgrade {cell}` locks what there "
        "is here",
    )


def downloads_of(lock: Lock) -> list[Download]:
    """Return every ready-made file of a lock."""
    return [*map(file_download, lock.wheels), *map(_payload_download, lock.payloads)]


def file_download(file: LockedFile, *, urgent: bool = False) -> Download:
    """Return how a locked file is fetched; an urgent one comes before all others."""
    return replace(Download.of(file.artifact, name=file.name, urgent=urgent), origin=file.origin)


def _payload_download(payload: LockedPayload) -> Download:
    return replace(Download.of(payload.artifact, name=payload.component), origin=payload.origin)
