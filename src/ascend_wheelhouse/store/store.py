"""The cache: everything that owns cached bytes: blobs by sha256, results by key, and partial downloads that can go on.

A blob is written beside its place, flushed to the disk, made read-only and renamed, so a name in `blobs/`
always stands for the whole file. Partial downloads live in `incoming/` under the name of what they will be,
each guarded by an advisory lock that the kernel drops when its process dies: two runs share one store, and a
killed run leaves partials that the next one continues. The folder entry is not flushed: after a power cut a
blob may be missing, never wrong.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG
from typing import IO, Any

from ascend_wheelhouse.base import flocks, medium, rights
from ascend_wheelhouse.base.artifact import Artifact
from ascend_wheelhouse.base.events import Emit, Note, silent
from ascend_wheelhouse.store.behind import Behind
from ascend_wheelhouse.store.proven import Proven, file_sha256
from ascend_wheelhouse.store.root import default_root
from ascend_wheelhouse.store.store_faults import BlobMissingError, DamagedBlobError, telling
from ascend_wheelhouse.store.store_files import (
    Partial,
    file_name,
    gate,
    held_by,
    identity,
    read_json,
    remove_if_free,
    status,
)

CHUNK = 1 << 20
_USE = "use"
_SHA256 = re.compile(r"[0-9a-f]{64}")


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


class Store:
    """A content-addressed folder.

    Args:
        root: The folder, made when first written to; `default_root()` when None.
    """

    def __init__(self, root: Path | None = None) -> None:
        self.root = root or default_root()
        self.behind: Behind | None = None
        """What is asked for files and results that are not here, and is given new ones."""
        self.proven = Proven()
        """What this process wrote or hashed; blobs are among it."""
        self._swept = False

    def path(self, sha256: str) -> Path:
        """Return where the blob is, or would be."""
        if not _SHA256.fullmatch(sha256):
            raise ValueError(f"not a sha256: {sha256!r}")
        return self.root / "blobs" / sha256[:2] / sha256

    def has(self, sha256: str, size: int | None = None) -> bool:
        """Tell whether the blob is here, and has `size` bytes where that is known; its bytes are not read."""
        found = status(self.path(sha256))
        return found is not None and S_ISREG(found.st_mode) and size in {None, found.st_size}

    def size_of(self, sha256: str) -> int:
        """Return the blob's size in bytes.

        Raises:
            BlobMissingError: It is not here.
        """
        found = status(self.path(sha256))
        if found is None:
            raise self._missing(sha256)
        return found.st_size

    def _missing(self, sha256: str) -> BlobMissingError:
        return BlobMissingError(
            f"The store {self.root} lacks the file with sha256 {sha256}.",
            next_step="run the command again without --offline",
        )

    def artifact(self, filename: str, sha256: str) -> Artifact:
        """Return a blob as the file of a name.

        Raises:
            BlobMissingError: It is not here.
        """
        return Artifact(filename=filename, size=self.size_of(sha256), sha256=sha256)

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
            rights.make_folder(self.root, "blobs", place.parent.name)
            medium.flush(path)
            path.chmod(0o444)
            with gate(self.root, place.parent.name, fcntl.LOCK_SH):
                path.replace(place)
        self.proven.know(identity(place), digest)
        return digest

    def check(self, sha256: str) -> None:
        """Read the blob and compare its digest.

        Raises:
            BlobMissingError: It is not here.
            DamagedBlobError: It has other bytes; it is removed, so that the next run fetches it.
        """
        place = self.path(sha256)
        before = identity(place)
        try:
            found = file_sha256(place)
        except FileNotFoundError as error:
            raise self._missing(sha256) from error
        if found == sha256:
            self.proven.know(before, sha256)
            return
        with self.telling(), gate(self.root, place.parent.name, fcntl.LOCK_EX):
            if identity(place) == before:  # not what another run has put in its place since
                place.unlink(missing_ok=True)
        raise DamagedBlobError(sha256, place, found)

    def damaged(self, digests: Collection[str]) -> list[DamagedBlobError]:
        """Hash blobs, on every core, and return an error for each that was changed; those are removed.

        What this process wrote or hashed is not read again while inode, size and times are the same.

        Raises:
            BlobMissingError: One is not here.
        """

        def examine(sha256: str) -> DamagedBlobError | None:
            try:
                self.check(sha256)
            except DamagedBlobError as error:
                return error
            return None

        due = [one for one in dict.fromkeys(digests) if not self.proven.has(self.path(one), one)]
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
            if not self._swept:
                self._sweep(folder)
            with gate(self.root, folder.name, fcntl.LOCK_SH):
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

    def lock(self, name: str, emit: Emit = silent, holder: str = "") -> AbstractContextManager[None]:
        """Hold the store's lock `name`; waits, and says for what, while another process or thread holds it."""
        return self._locked(name, flocks.ALONE, emit, holder)

    def in_use(self, emit: Emit = silent) -> AbstractContextManager[None]:
        """Keep `prune` away: what this run brings in is named by nothing yet. Other runs may do so, too."""
        return self._locked(_USE, flocks.SHARED, emit)

    def alone(self, emit: Emit = silent) -> AbstractContextManager[None]:
        """Wait until no run is at work on the store, and keep others away."""
        return self._locked(_USE, flocks.ALONE, emit)

    @contextmanager
    def _locked(self, name: str, kind: int, emit: Emit, holder: str = "") -> Iterator[None]:
        with self.telling():
            path = self._folder("locks") / file_name(name)
            number = rights.lock_file(path)

        def tell() -> None:
            what = holder or f"another run is at work on the store {self.root}"
            emit(Note(text=f"waiting: {what}", level="warning"))

        try:
            flocks.take(number, kind, tell)
            yield
        finally:
            os.close(number)

    def result(self, key: str, shape: Mapping[Any, object] | None = None) -> dict[str, Any] | None:
        """Return the record kept under `key`, or None; a record that cannot be read counts as none.

        Args:
            key: What it was kept under.
            shape: What it must hold to be one (see `node.documents`).
        """
        return read_json(self._result_path(key), shape)

    def has_result(self, key: str) -> bool:
        """Tell whether a record is kept under `key`, whatever it says."""
        return self._result_path(key).is_file()

    def put_result(self, key: str, record: dict[str, Any]) -> None:
        """Keep a small record under `key`, in place of any earlier one."""
        place = self._result_path(key)
        with self.incoming() as path:
            path.write_text(json.dumps(record, sort_keys=True), encoding="utf-8")
            medium.flush(path)
            rights.make_folder(self.root, "results", place.parent.name)
            rights.share(path)
            path.replace(place)

    def _result_path(self, key: str) -> Path:
        name = file_name(key)
        return self.root / "results" / name[:2] / f"{name}.json"

    def blobs(self) -> Iterator[Blob]:
        """Go through every blob, in the order of the digests."""
        for path in sorted(self.root.glob("blobs/??/*")):
            if _SHA256.fullmatch(path.name) and (found := status(path)):
                yield Blob(sha256=path.name, size=found.st_size)

    def usage(self) -> Usage:
        """Count what the store holds."""
        blobs = list(self.blobs())
        notes = {".json", ".have"}
        partials = [held_by(path) for path in self.root.glob("incoming/*") if path.suffix not in notes]
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

    def prune(self, keep: Callable[[], Collection[str]], emit: Emit = silent) -> int:
        """Remove every blob that is not kept and every partial that no process holds; return the bytes freed.

        Args:
            keep: Returns the digests that stay; asked once no run is at work on the store, which is waited for.
            emit: Told of the waiting.
        """
        freed = 0
        with self.alone(emit), self.telling():
            for blob in self.garbage(keep()):
                self.path(blob.sha256).unlink(missing_ok=True)
                freed += blob.size
            return freed + self._sweep(self._folder("incoming")) + self._drop_partials()

    def _sweep(self, folder: Path) -> int:
        """Remove what killed runs left of files on their way in; return the bytes freed."""
        self._swept = True
        with gate(self.root, folder.name, fcntl.LOCK_EX):
            return sum(map(remove_if_free, folder.glob("tmp-*")))

    def _drop_partials(self) -> int:
        freed = 0
        kept = (path for path in self.root.glob("incoming/*") if path.suffix in {".part", ".pieces"})
        for path in kept:
            guard = self.root / "locks" / file_name(f"partial-{path.stem}")
            with guard.open("a") as file, suppress(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                freed += held_by(path)
                path.unlink(missing_ok=True)
                for suffix in (".json", ".have"):
                    path.with_suffix(suffix).unlink(missing_ok=True)
        return freed

    def _folder(self, name: str) -> Path:
        return rights.make_folder(self.root, name)

    def telling(self) -> AbstractContextManager[None]:
        """Turn what the operating system says of a full or closed disk into our errors."""
        return telling(self.root)
