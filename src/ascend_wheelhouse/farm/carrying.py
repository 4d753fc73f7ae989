"""Files between two stores, in pieces through Dask: whoever reaches the scheduler needs no other way.

The functions below `on a worker` run in the worker's event loop and leave it at once for a thread where they touch the
disk. A file is known there under its name once its last piece is in and its digest is right, never before. No more than
one piece a file is in memory on either side. Where both sides share a store there is nothing to carry.
"""

from __future__ import annotations

import asyncio
import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ascend_wheelhouse.base.clock import SystemClock
from ascend_wheelhouse.base.errors import IntegrityError, WheelhouseError
from ascend_wheelhouse.farm.connection import lost_errors
from ascend_wheelhouse.farm.errors import CarryError
from ascend_wheelhouse.store.store import Store

if TYPE_CHECKING:
    from distributed import Client, Worker

PIECE = 4 << 20
_AT_ONCE = 4
_STALE = 600.0
_CLOCK = SystemClock()
PLUGIN = "wheelhouse"


class WrongBytesError(IntegrityError):
    """A file that was carried has other bytes than its digest says."""


@dataclass(kw_only=True)
class IncomingFile:
    """A file on its way into a store."""

    place: AbstractContextManager[Path]
    path: Path
    digest: Any = field(default_factory=hashlib.sha256)
    size: int = 0
    touched: float = 0.0


class IncomingFiles:
    """What is on its way into one store; a sender that starts a file again takes back what it sent of it.

    Args:
        store: The store.

    Attributes:
        received: The bytes that have come so far.
        trouble: Why a file could not be taken, by its digest.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._open: dict[tuple[str, str], IncomingFile] = {}
        self._lock = threading.Lock()
        self.received = 0
        self.trouble: dict[str, str] = {}

    def take(self, sender: str, sha256: str, offset: int, data: bytes, total: int) -> None:
        """Take the next piece of a file.

        Raises:
            WrongBytesError: The file has another digest, or a piece is missing.
            StoreFullError: The disk is full.
        """
        with self._lock, self._store.telling():
            key = (sender, sha256)
            now = _CLOCK.monotonic()
            for stale in [one for one, file in self._open.items() if now - file.touched > _STALE]:
                self._drop(stale)
            if offset == 0:
                self._drop(key)
                place = self._store.incoming()
                self._open[key] = IncomingFile(place=place, path=place.__enter__())
            arrival = self._open.get(key)
            if arrival is None or arrival.size != offset:
                raise WrongBytesError(f"A piece of the file with sha256 {sha256} is missing.")
            arrival.touched = now
            try:
                self._append(arrival, data)
                if arrival.size >= total:
                    self._finish(arrival, sha256)
            except BaseException:
                self._drop(key)
                raise
            if arrival.size >= total:
                self._drop(key)

    def _append(self, arrival: IncomingFile, data: bytes) -> None:
        with arrival.path.open("ab") as file:
            file.write(data)
        arrival.digest.update(data)
        arrival.size += len(data)
        self.received += len(data)

    def _finish(self, arrival: IncomingFile, sha256: str) -> None:
        if (found := arrival.digest.hexdigest()) != sha256:
            raise WrongBytesError(f"The file with sha256 {sha256} arrived with {found}.")
        self._store.adopt(arrival.path, sha256)

    def _drop(self, key: tuple[str, str]) -> None:
        if arrival := self._open.pop(key, None):
            arrival.place.__exit__(None, None, None)

    def close(self) -> None:
        """Remove what is half here."""
        with self._lock:
            for key in list(self._open):
                self._drop(key)


async def take_piece(file: tuple[str, str, int], offset: int, data: bytes, dask_worker: Worker) -> str:
    """On a worker: take a piece; return what went wrong, or nothing."""
    sender, sha256, total = file
    arrivals: IncomingFiles = dask_worker.plugins[PLUGIN].arrivals  # type: ignore[attr-defined]
    try:
        await asyncio.to_thread(arrivals.take, sender, sha256, offset, data, total)
    except WheelhouseError as error:
        arrivals.trouble[sha256] = error.what
        return error.what
    return ""


async def give_piece(sha256: str, offset: int, dask_worker: Worker) -> bytes:
    """On a worker: return a piece of a file of its store."""
    store: Store = dask_worker.plugins[PLUGIN].store  # type: ignore[attr-defined]

    def read() -> bytes:
        with store.path(sha256).open("rb") as file:
            file.seek(offset)
            return file.read(PIECE)

    return await asyncio.to_thread(read)


def bring(client: Client, worker: str, store: Store, sha256: str, size: int) -> None:
    """Bring a file from a worker's store into this host's.

    Raises:
        CarryError: The worker is gone, or does not have the whole file.
        WrongBytesError: It has other bytes than its digest says.
        OSError: The system refuses a file of this host's store.
    """
    if store.has(sha256, size):
        return
    arrivals, offset = IncomingFiles(store), 0
    try:
        while offset < size or offset == 0:
            data = _piece(client, worker, sha256, offset)
            if not data and offset < size:
                reason = f"there it ends after {offset} of {size} bytes"
                raise CarryError(f"The file with sha256 {sha256}", worker, reason)
            arrivals.take("", sha256, offset, data, size)
            offset += len(data)
            if not data:
                break
    finally:
        arrivals.close()


def _piece(client: Client, worker: str, sha256: str, offset: int) -> bytes:
    away: tuple[type[Exception], ...] = (*lost_errors(), RuntimeError, KeyError, ValueError)
    try:
        found: bytes = client.run(give_piece, sha256, offset, workers=[worker], nanny=False)[worker]
    except away as error:  # the client may have been closed
        raise CarryError(f"The file with sha256 {sha256}", worker, str(error)) from error
    return found


class Sender:
    """Sends files of this host's store to workers that ask for them, a few at once.

    Args:
        client: The connection.
        store: This host's store.
    """

    def __init__(self, client: Client, store: Store) -> None:
        self._client, self._store = client, store
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="carry")
        self._under_way: set[tuple[str, str]] = set()
        self._lock = threading.Lock()
        self._closed = threading.Event()

    def send(self, worker: str, sha256: str) -> None:
        """Send a file, unless it is on its way there."""
        with self._lock:
            if (worker, sha256) in self._under_way or self._closed.is_set():
                return
            self._under_way.add((worker, sha256))
        self._pool.submit(self._send, worker, sha256)

    def _send(self, worker: str, sha256: str) -> None:
        try:
            self._pieces(worker, sha256)
        except Exception:  # noqa: BLE001 - the worker waits, asks again, and tells what it lacks in the end
            return
        finally:
            with self._lock:
                self._under_way.discard((worker, sha256))

    def _pieces(self, worker: str, sha256: str) -> None:
        total = self._store.size_of(sha256)
        with self._store.path(sha256).open("rb") as file:
            offset = 0
            while not self._closed.is_set():
                data = file.read(PIECE)
                file_words = (self._client.id, sha256, total)
                refused = self._client.run(
                    take_piece, file_words, offset, data, workers=[worker], nanny=False
                )
                offset += len(data)
                if any(refused.values()) or offset >= total or not data:
                    return

    def close(self) -> None:
        """Send nothing more."""
        self._closed.set()
        self._pool.shutdown(wait=False, cancel_futures=True)
