"""The one room that owns cached bytes: blobs by sha256, results by key, and partial downloads that can go on.

A blob is written beside its place, flushed to the disk, made read-only and renamed, so a name in `blobs/`
always stands for the whole file. Partial downloads live in `incoming/` under the name of what they will be,
each guarded by an advisory lock that the kernel drops when its process dies: two runs share one store, and a
killed run leaves partials that the next one continues. The folder entry is not flushed: after a power cut a
blob may be missing, never wrong.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import platformdirs

from ascend_wheelhouse.errors import HostUnfitError, IntegrityError
from ascend_wheelhouse.node import documents
from ascend_wheelhouse.places import at_home

CHUNK = 1 << 20
_SHA256 = re.compile(r"[0-9a-f]{64}")
_PLAIN_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,199}")
_FULL = {errno.ENOSPC, errno.EDQUOT}
_CLOSED = {errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EEXIST, errno.EISDIR}


class StoreFullError(HostUnfitError):
    """The disk of the store has no room left."""


class StoreNotWritableError(HostUnfitError):
    """The store's folder cannot be written."""


class DamagedBlobError(IntegrityError):
    """A blob's bytes are no longer those that its name promises.

    Args:
        sha256: What they must be.
        path: Where it is, or was.
        found: The sha256 that it has.
    """

    def __init__(self, sha256: str, path: Path, found: str) -> None:
        self.sha256 = sha256
        super().__init__(
            f"{path} was damaged: its sha256 is {found}.",
            why="The disk failed, or something wrote to the store; the file has been removed.",
            next_step="run the command again to fetch the file anew",
        )


class BlobMissingError(IntegrityError):
    """A blob that something refers to is not in the store."""


@dataclass(frozen=True, kw_only=True)
class Blob:
    """One stored file: its digest and its size in bytes."""

    sha256: str
    size: int


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What the store holds; sizes are bytes."""

    blobs: int
    blob_bytes: int
    partials: int
    partial_bytes: int
    results: int


@dataclass(frozen=True, kw_only=True)
class Partial:
    """A download in flight, held by this process alone; `note` tells which file it is a part of."""

    path: Path
    note_path: Path

    @property
    def size(self) -> int:
        """Bytes that are there already."""
        return self.path.stat().st_size if self.path.exists() else 0

    @property
    def note(self) -> dict[str, str]:
        """What was noted with the bytes, such as their ETag; empty when unknown."""
        return {str(key): str(value) for key, value in (_read_json(self.note_path) or {}).items()}

    def remember(self, note: dict[str, str]) -> None:
        """Keep `note` beside the bytes for the run that continues them."""
        self.note_path.write_text(json.dumps(note), encoding="utf-8")

    def drop(self) -> None:
        """Forget the bytes and the note."""
        self.path.unlink(missing_ok=True)
        self.note_path.unlink(missing_ok=True)


def default_root() -> Path:
    """Return `WHEELHOUSE_STORE`, else `ascend-wheelhouse` in the user's cache folder."""
    chosen = os.environ.get("WHEELHOUSE_STORE")
    return at_home(chosen) if chosen else platformdirs.user_cache_path("ascend-wheelhouse")


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file, read in chunks and outside the interpreter lock."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Store:
    """A content-addressed folder.

    Args:
        root: The folder, made when first written to; `default_root()` when None.
    """

    def __init__(self, root: Path | None = None) -> None:
        self.root = root or default_root()
        self._proven: dict[str, tuple[int, ...]] = {}

    def path(self, sha256: str) -> Path:
        """Return where the blob is, or would be."""
        if not _SHA256.fullmatch(sha256):
            raise ValueError(f"not a sha256: {sha256!r}")
        return self.root / "blobs" / sha256[:2] / sha256

    def has(self, sha256: str, size: int | None = None) -> bool:
        """Tell whether the blob is here, and has `size` bytes where that is known; its bytes are not read."""
        path = self.path(sha256)
        return path.is_file() and size in {None, path.stat().st_size}

    def size_of(self, sha256: str) -> int:
        """Return the blob's size in bytes.

        Raises:
            BlobMissingError: It is not here.
        """
        try:
            return self.path(sha256).stat().st_size
        except FileNotFoundError as error:
            raise BlobMissingError(
                f"The store {self.root} lacks the file with sha256 {sha256}.",
                next_step="run the command again without --offline",
            ) from error

    def add(self, source: Path | IO[bytes]) -> str:
        """Copy a file or a stream into the store and return its sha256; the source stays as it is."""
        with self.incoming() as path:
            return self.adopt(path, self.copy_in(source, path))

    def copy_in(self, source: Path | IO[bytes], path: Path) -> str:
        """Copy a file or a stream to a path that `incoming` gave, and return its sha256."""
        digest = hashlib.sha256()
        with ExitStack() as stack:
            stream = stack.enter_context(source.open("rb")) if isinstance(source, Path) else source
            out = stack.enter_context(path.open("wb"))
            while chunk := stream.read(CHUNK):
                digest.update(chunk)
                out.write(chunk)
        return digest.hexdigest()

    def adopt(self, path: Path, sha256: str | None = None) -> str:
        """Move a finished file from `incoming()` or a partial into the blobs.

        Args:
            path: A file on the store's file system, closed or flushed.
            sha256: Its digest where the caller computed it while writing; read here when None.
        """
        digest = sha256 or file_sha256(path)
        place = self.path(digest)
        with self.telling():
            place.parent.mkdir(parents=True, exist_ok=True)
            _flush_to_disk(path)
            path.chmod(0o444)
            path.replace(place)
        self._proven[digest] = _identity(place)
        return digest

    def check(self, sha256: str) -> None:
        """Read the blob and compare its digest.

        Raises:
            BlobMissingError: It is not here.
            DamagedBlobError: It has other bytes; it is removed, so that the next run fetches it.
        """
        self.size_of(sha256)
        before = _identity(self.path(sha256))
        found = file_sha256(self.path(sha256))
        if found == sha256:
            self._proven[sha256] = before
            return
        self.path(sha256).unlink(missing_ok=True)
        raise DamagedBlobError(sha256, self.path(sha256), found)

    def damaged(self, digests: Collection[str]) -> list[DamagedBlobError]:
        """Hash blobs, on every core, and return an error for each that was changed; those are removed.

        What this process wrote or hashed is not read again while inode, size and times are the same: whoever
        changes a file cannot keep its change time.

        Raises:
            BlobMissingError: One is not here.
        """

        def examine(sha256: str) -> DamagedBlobError | None:
            try:
                self.check(sha256)
            except DamagedBlobError as error:
                return error
            return None

        due = [one for one in dict.fromkeys(digests) if self._proven.get(one) != _identity(self.path(one))]
        with ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="prove") as pool:
            return [error for error in pool.map(examine, due) if error]

    def prove(self, digests: Collection[str]) -> None:
        """Hash blobs as `damaged` does.

        Raises:
            DamagedBlobError: One was changed; the first is told, all of them are removed.
            BlobMissingError: One is not here.
        """
        for error in self.damaged(digests):
            raise error

    @contextmanager
    def incoming(self) -> Iterator[Path]:
        """Give an empty file on the store's file system, removed at the end unless `adopt` took it."""
        with self.telling():
            folder = self._folder("incoming")
            with _gate(folder, fcntl.LOCK_SH):
                number, name = tempfile.mkstemp(prefix="tmp-", dir=folder)
                fcntl.flock(number, fcntl.LOCK_EX)
            path = Path(name)
            try:
                yield path
            finally:
                os.close(number)
                path.unlink(missing_ok=True)

    @contextmanager
    def partial(self, key: str) -> Iterator[Partial]:
        """Hold the partial download named `key`; waits while another process or thread holds it."""
        with self.lock(f"partial-{key}"), self.telling():
            folder = self._folder("incoming")
            partial = Partial(path=folder / f"{key}.part", note_path=folder / f"{key}.json")
            try:
                yield partial
            finally:
                if partial.size == 0:
                    partial.drop()

    @contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Hold the store's lock `name`; waits while another process or thread holds it."""
        with self.telling():
            path = self._folder("locks") / _file_name(name)
            number = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(number, fcntl.LOCK_EX)
            yield
        finally:
            os.close(number)

    def result(self, key: str, shape: Mapping[Any, object] | None = None) -> dict[str, Any] | None:
        """Return the record kept under `key`, or None; a record that cannot be read counts as none.

        Args:
            key: What it was kept under.
            shape: What it must hold to be one (see `node.documents`).
        """
        return _read_json(self._result_path(key), shape)

    def put_result(self, key: str, record: dict[str, Any]) -> None:
        """Keep a small record under `key`, in place of any earlier one."""
        place = self._result_path(key)
        with self.incoming() as path:
            path.write_text(json.dumps(record, sort_keys=True), encoding="utf-8")
            _flush_to_disk(path)
            place.parent.mkdir(parents=True, exist_ok=True)
            path.replace(place)

    def _result_path(self, key: str) -> Path:
        name = _file_name(key)
        return self.root / "results" / name[:2] / f"{name}.json"

    def blobs(self) -> Iterator[Blob]:
        """Go through every blob, in the order of the digests."""
        for path in sorted(self.root.glob("blobs/??/*")):
            if _SHA256.fullmatch(path.name):
                yield Blob(sha256=path.name, size=path.stat().st_size)

    def usage(self) -> Usage:
        """Count what the store holds."""
        blobs = list(self.blobs())
        notes = {".json", ".have"}
        partials = [_held_by(path) for path in self.root.glob("incoming/*") if path.suffix not in notes]
        return Usage(
            blobs=len(blobs),
            blob_bytes=sum(blob.size for blob in blobs),
            partials=len(partials),
            partial_bytes=sum(partials),
            results=sum(1 for _ in self.root.glob("results/??/*.json")),
        )

    def garbage(self, keep: Collection[str]) -> list[Blob]:
        """List the blobs whose digests are not in `keep`."""
        return [blob for blob in self.blobs() if blob.sha256 not in keep]

    def prune(self, keep: Collection[str]) -> int:
        """Remove every blob not in `keep` and every partial that no process holds; return the bytes freed."""
        freed = 0
        with self.telling():
            for blob in self.garbage(keep):
                self.path(blob.sha256).unlink(missing_ok=True)
                freed += blob.size
            with _gate(self._folder("incoming"), fcntl.LOCK_EX):
                freed += sum(map(_remove_if_free, self.root.glob("incoming/tmp-*")))
            return freed + self._drop_partials()

    def _drop_partials(self) -> int:
        freed = 0
        kept = (path for path in self.root.glob("incoming/*") if path.suffix in {".part", ".pieces"})
        for path in kept:
            guard = self.root / "locks" / _file_name(f"partial-{path.stem}")
            with guard.open("a") as file, suppress(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                freed += _held_by(path)
                path.unlink()
                for suffix in (".json", ".have"):
                    path.with_suffix(suffix).unlink(missing_ok=True)
        return freed

    def _folder(self, name: str) -> Path:
        folder = self.root / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @contextmanager
    def telling(self) -> Iterator[None]:
        """Turn what the operating system says of a full or closed disk into our errors."""
        try:
            yield
        except OSError as error:
            if error.errno in _FULL:
                raise StoreFullError(
                    f"The disk of the store {self.root} is full.",
                    why="What was fetched so far is kept, and the next run goes on from there.",
                    next_step="make room, or set WHEELHOUSE_STORE to a folder on a larger disk",
                ) from error
            if error.errno in _CLOSED and self._concerns(error):
                raise StoreNotWritableError(
                    f"The store {self.root} cannot be written: {error.strerror}.",
                    why="The folder belongs to another user, is read-only, or its place is taken by a file.",
                    next_step="set WHEELHOUSE_STORE to a folder that you can write",
                ) from error
            raise

    def _concerns(self, error: OSError) -> bool:
        """Tell whether an error is about the store, and not about a file that is copied into it."""
        if not isinstance(error.filename, str):
            return True
        path = Path(error.filename)
        return path.is_relative_to(self.root) or self.root.is_relative_to(path)


def _identity(path: Path) -> tuple[int, ...]:
    """Return what changes with a file's bytes: device, inode, size and both times; nothing where it is missing."""
    try:
        found = path.stat()
    except OSError:
        return ()
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _held_by(path: Path) -> int:
    """Return the bytes that a file takes, holes not counted."""
    status = path.stat()
    return min(status.st_size, status.st_blocks * 512)


def _file_name(key: str) -> str:
    return key if _PLAIN_KEY.fullmatch(key) else hashlib.sha256(key.encode()).hexdigest()


def _read_json(path: Path, shape: Mapping[Any, object] | None = None) -> dict[str, Any] | None:
    try:
        record: dict[str, Any] = documents.read(path.read_bytes(), shape or {})
    except (OSError, documents.UnsoundError):
        return None
    return record


def _flush_to_disk(path: Path) -> None:
    number = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(number)
    finally:
        os.close(number)


@contextmanager
def _gate(folder: Path, kind: int) -> Iterator[None]:
    """Keep who clears away out of the moment in which a new file is there and not yet locked."""
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(number, kind)
        yield
    finally:
        os.close(number)


def _remove_if_free(path: Path) -> int:
    with suppress(BlockingIOError, FileNotFoundError), path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        size = path.stat().st_size
        path.unlink(missing_ok=True)
        return size
    return 0
