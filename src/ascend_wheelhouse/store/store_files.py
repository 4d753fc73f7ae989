"""Small operations on the files of a store."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ascend_wheelhouse.base import rights
from ascend_wheelhouse.node import documents

_PLAIN_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,199}")


@dataclass(frozen=True, kw_only=True)
class Partial:
    """A download in flight, held by this process alone; `note` tells which file it is a part of."""

    path: Path
    note_path: Path

    @property
    def size(self) -> int:
        """Bytes that are there already."""
        found = status(self.path)
        return found.st_size if found else 0

    @property
    def note(self) -> dict[str, str]:
        """What was noted with the bytes, such as their ETag; empty when unknown."""
        return {str(key): str(value) for key, value in (read_json(self.note_path) or {}).items()}

    def remember(self, note: dict[str, str]) -> None:
        """Keep `note` beside the bytes for the run that continues them."""
        self.note_path.write_text(json.dumps(note), encoding="utf-8")
        rights.share(self.note_path, write=True)

    def drop(self) -> None:
        """Forget the bytes and the note."""
        self.path.unlink(missing_ok=True)
        self.note_path.unlink(missing_ok=True)


def status(path: Path) -> os.stat_result | None:
    """Return what the kernel says of a file that was just listed; None where another run has removed it since."""
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def identity(path: Path) -> tuple[int, ...]:
    """Return what changes with a file's bytes: device, inode, size and both times; nothing where it is missing."""
    try:
        found = path.stat()
    except OSError:
        return ()
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def held_by(path: Path) -> int:
    """Return the bytes that a file takes, holes not counted; 0 where it is gone."""
    found = status(path)
    return min(found.st_size, found.st_blocks * 512) if found else 0


def file_name(key: str) -> str:
    """Return the file name of a key: the key itself where it is plain."""
    return key if _PLAIN_KEY.fullmatch(key) else hashlib.sha256(key.encode()).hexdigest()


def read_json(path: Path, shape: Mapping[Any, object] | None = None) -> dict[str, Any] | None:
    """Return the object in a file, which has that shape (see `node.documents`); None where it is missing or none."""
    try:
        record: dict[str, Any] = documents.read_file(path, shape or {})
    except (OSError, documents.UnsoundError):
        return None
    return record


def results_below(root: Path, prefix: str) -> Iterator[tuple[str, Path]]:
    """Go through the records of a store whose keys begin with a prefix: each key, and the file of its record.

    Args:
        root: The store.
        prefix: Two or more characters that stay as they are in a file's name.
    """
    for path in sorted((root / "results" / prefix[:2]).glob(f"{prefix}*.json")):
        yield path.name.removesuffix(".json"), path


@contextmanager
def gate(root: Path, folder: str, kind: int) -> Iterator[None]:
    """Keep who clears away out of a folder of a store while a new file is there and not yet locked.

    The lock is on a file: where hosts share a store on NFS, one on the folder itself holds on its own host alone.
    """
    number = rights.lock_file(rights.make_folder(root, "locks") / f"gate-{folder}")
    try:
        fcntl.flock(number, kind)
        yield
    finally:
        os.close(number)


def remove_if_free(path: Path) -> int:
    """Remove a file that no process holds and return its size in bytes; 0 where one does, or where that is not known.

    It is opened for writing where it may be: NFS gives an exclusive lock to nobody who may only read.
    """
    with suppress(BlockingIOError, FileNotFoundError):
        try:
            number = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except PermissionError:  # it is finished, and about to get its name
            number = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
            size = os.fstat(number).st_size
            path.unlink(missing_ok=True)
        except OSError as error:
            if error.errno != errno.EBADF:
                raise
        else:
            return size
        finally:
            os.close(number)
    return 0
