"""One shared cache in one run: what is asked of it, and for how long.

A cache is a help, never a condition: what it does not answer is fetched or built here. So every fault ends as a miss
with one warning, and what failed as a whole (no answer, a login that is no longer good, a full disk) is not asked for
again in this run.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from ascend_wheelhouse.base.artifact import Artifact
from ascend_wheelhouse.base.clock import Clock, SystemClock
from ascend_wheelhouse.base.errors import IntegrityError
from ascend_wheelhouse.base.events import Emit
from ascend_wheelhouse.folder.signing import Signer
from ascend_wheelhouse.origins.http import Http
from ascend_wheelhouse.shared_cache import entries, transport
from ascend_wheelhouse.shared_cache.entries import ResultEntry
from ascend_wheelhouse.shared_cache.remote import (
    LoginExpiredError,
    Remote,
    RemoteError,
    RemoteRefusedError,
    Stored,
)
from ascend_wheelhouse.store.behind import WantedBlob
from ascend_wheelhouse.store.store import Store

BLOBS = "blobs"
GRACE_SECONDS = 24 * 3600.0
"""How long nothing is removed from a cache, whatever names it: its writer may not have named it yet."""
_REFRESH_SECONDS = GRACE_SECONDS / 4
_Side = Literal["read", "written"]
_Answer = TypeVar("_Answer")


def blob(sha256: str) -> str:
    """Return the name of a file on a cache."""
    return f"{BLOBS}/{sha256[:2]}/{sha256}"


@dataclass(kw_only=True)
class Counts:
    """What one run had from a cache, and gave to it."""

    files_pulled: int = 0
    results_pulled: int = 0
    files_pushed: int = 0
    results_pushed: int = 0


@dataclass(kw_only=True, eq=False)
class Site:
    """One cache.

    Args:
        remote: Where it is.
        trusted: Fingerprints of the keys whose results are used.
        signer: Signs what is pushed; nothing is when None.
        warn: Told of each fault, in a sentence.
        http: The client that reads files.
        clock: Tells how old an object is.
    """

    remote: Remote
    trusted: Collection[str]
    signer: Signer | None
    warn: Callable[[str], None]
    http: Http
    clock: Clock = field(default_factory=SystemClock)
    counts: Counts = field(default_factory=Counts, init=False)
    _off: set[_Side] = field(default_factory=set, init=False)
    _warned: set[str] = field(default_factory=set, init=False)
    _held: set[str] = field(default_factory=set, init=False)
    _wrong: set[str] = field(default_factory=set, init=False)
    _guard: threading.Lock = field(default_factory=threading.Lock, init=False)

    @property
    def takes(self) -> bool:
        """Whether anything is pushed to it now."""
        return self.signer is not None and self.remote.writable and "written" not in self._off

    def pull_files(self, store: Store, wanted: Sequence[WantedBlob], emit: Emit) -> set[str]:
        """Have in the store what there is of some files, and return the digests that came."""
        if "read" in self._off or not wanted:
            return set()
        found = self._asking(
            "read", lambda: transport.pull(self.remote, store, wanted, emit, http=self.http, place=blob)
        )
        if found is None:
            return set()
        for sha256, error in found.wrong.items():
            self._wrong.add(sha256)
            self.warn(f"{self.remote.shown} has other bytes than it should, which are not used: {error.what}")
        if found.refused:
            self._asking("read", lambda: self._look_again(found))
        if found.broken:
            self._switch_off("read", found.broken)
        self._held |= found.moved
        self.counts.files_pulled += len(found.moved)
        return found.came

    def _look_again(self, found: transport.Pulled) -> None:
        """Tell a login that is no longer good from one that may not be told what is missing."""
        self.remote.read(MARK)
        if not found.broken:
            self._warn_once(
                "refused", f"{self.remote.shown} refuses some files; they are taken for missing there"
            )

    def pull_result(self, store: Store, key: str) -> bool:
        """Have the record of a key and its files in the store; tell whether they are there now."""
        if "read" in self._off or not self.trusted:
            return False
        entry = self._asking("read", lambda: self._entry(key))
        if entry is None:
            return False
        lacking = [one for one in entry.files if not store.has(one.sha256, one.size)]
        self.pull_files(store, [transport.WantedFile.of(one) for one in lacking], lambda _event: None)
        if not all(store.has(one.sha256, one.size) for one in entry.files):
            return False
        store.put_result(key, {**entry.record, "pulled": {"key": entry.signed_by, "from": self.remote.shown}})
        self.counts.results_pulled += 1
        return True

    def _entry(self, key: str) -> ResultEntry | None:
        content = self.remote.read(entries.place(key))
        if content is None:
            return None
        try:
            return entries.read_entry(content, key, self.trusted)
        except entries.BadEntryError as error:
            self.warn(f"{self.remote.shown}: the entry of {key} is not used: {error}")
            return None

    def push_file(self, store: Store, sha256: str) -> None:
        """Have a file of the store on the cache."""
        if self.takes and sha256 not in self._held and store.has(sha256):
            self._asking("written", lambda: self._upload(store, sha256))

    def _upload(self, store: Store, sha256: str) -> None:
        name, size = blob(sha256), store.size_of(sha256)
        held = self.remote.stat(name)
        sound = held and held.size == size and sha256 not in self._wrong
        if not (held and sound and self._keep_young(held)):
            try:
                store.prove([sha256])
            except IntegrityError as error:
                self.warn(f"{error.what} It is not pushed.")
                return
            self.remote.upload(name, store.path(sha256))
            self._wrong.discard(sha256)
            with self._guard:
                self.counts.files_pushed += 1
        self._held.add(sha256)

    def _keep_young(self, held: Stored) -> bool:
        """Have what somebody else pushed long ago count as new, before a removal at work now takes it for old.

        Tell whether it does: the file of another user of a folder must be written anew for that.
        """
        if self.clock.wall() - held.modified > _REFRESH_SECONDS:
            try:
                self.remote.refresh(held.name)
            except LoginExpiredError:
                raise
            except RemoteRefusedError:
                return False
        return True

    def push_result(
        self, store: Store, key: str, files: Sequence[Artifact], about: Mapping[str, str]
    ) -> None:
        """Have the record of a key on the cache, its files first."""
        record = store.result(key)
        if record is None or "pulled" in record:
            return
        for one in files:
            self.push_file(store, one.sha256)
        if self.takes and all(one.sha256 in self._held for one in files):
            entry = ResultEntry(key=key, files=tuple(files), record=record, about=about)
            self._asking("written", lambda: self._publish(store, entry))

    def _publish(self, store: Store, entry: ResultEntry) -> None:
        if self.signer is None:
            return
        name, content = entries.place(entry.key), entries.signed(entry, self.signer)
        if not self.remote.write(name, content, replace=False):
            if not self._is_known(entry):
                self.remote.write(name, content, replace=True)
            elif held := self.remote.stat(name):
                self._keep_young(held)
        for one in entry.files:  # a removal that was at work meanwhile may have taken a file for unnamed
            if self.remote.stat(blob(one.sha256)) is None:
                self.remote.upload(blob(one.sha256), store.path(one.sha256))
        with self._guard:
            self.counts.results_pushed += 1

    def _is_known(self, entry: ResultEntry) -> bool:
        """Tell whether the cache has a sound entry of that key already: the first one stays."""
        content = self.remote.read(entries.place(entry.key)) or b""
        try:
            first = entries.read_entry(content, entry.key, self.trusted)
        except entries.BadEntryError:
            return False  # one that nobody here could use, or that was spoiled
        if first.same_files != entry.same_files:
            if not all(map(self._has_sound, first.files)):
                return False  # one whose files are gone or spoiled is of use to nobody
            self.warn(
                f"{self.remote.shown} has other files of {entry.key} ({entry.about.get('component', '')}), made by "
                f"{first.signed_by}: the first stays there; such a build is not reproducible"
            )
        return True

    def _has_sound(self, file: Artifact) -> bool:
        held = self.remote.stat(blob(file.sha256))
        return held is not None and held.size == file.size and file.sha256 not in self._wrong

    def _asking(self, side: _Side, action: Callable[[], _Answer]) -> _Answer | None:
        """Do something with the cache; a fault is told once, and ends that side for this run."""
        if side in self._off:
            return None
        try:
            return action()
        except RemoteError as error:
            self._switch_off(side, error)
            return None

    def _switch_off(self, side: _Side, error: RemoteError) -> None:
        with self._guard:
            if side in self._off:
                return
            self._off.add(side)
        hint = (
            " (the login has expired, or this host's clock is wrong)"
            if isinstance(error, LoginExpiredError)
            else ""
        )
        self.warn(
            f"{self.remote.shown} can no longer be {side}, and this run goes on without it: {error}{hint}"
        )

    def _warn_once(self, about: str, text: str) -> None:
        if about not in self._warned:
            self._warned.add(about)
            self.warn(text)


MARK = "wheelhouse-cache.json"
"""The object that says that there is a cache, and how it is laid out."""
MARK_CONTENT = b'{"schema": 1}\n'
WRITERS = "writers"
