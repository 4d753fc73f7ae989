"""The digests of files that this process has written or read, so that it need not read them again.

A file is known by what changes with its bytes: device, inode, size and both times. Whoever changes a file cannot keep
its change time. A hard link changes that time too, and leaves the bytes: see `Proven.linking`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from ascend_wheelhouse.store.store_files import identity


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file, read in chunks and outside the interpreter lock."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Proven:
    """What is known of files; any thread may ask."""

    def __init__(self) -> None:
        self._digests: dict[tuple[int, ...], str] = {}
        self._linking = Lock()

    def has(self, path: Path, sha256: str) -> bool:
        """Tell whether a file is known to have a digest, unread."""
        return self._digests.get(identity(path)) == sha256

    def know(self, found: tuple[int, ...], sha256: str) -> None:
        """Note the digest of the file that had this identity, before it was read or once it was written."""
        if found:
            self._digests[found] = sha256

    def digest(self, path: Path) -> str:
        """Return the sha256 of a file; it is read where it is not known.

        Raises:
            OSError: It cannot be read.
        """
        before = identity(path)
        known = self._digests.get(before)
        if known is None:
            known = file_sha256(path)
            self.know(before, known)
        return known

    @contextmanager
    def linking(self, path: Path) -> Iterator[None]:
        """Know a file that gets hard links in the block as well after it."""
        with self._linking:
            known = self._digests.get(identity(path))
            yield
            if known is not None:
                self.know(identity(path), known)
