"""What can go wrong with the store, and how the operating system says it."""

from __future__ import annotations

import errno
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ascend_wheelhouse.base.errors import HostUnfitError, IntegrityError
from ascend_wheelhouse.base.full_disk import FULL

_TAKEN = {errno.EISDIR, errno.ENOTEMPTY, errno.EEXIST}
_CLOSED = {errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EEXIST, errno.EISDIR}


class StoreFullError(HostUnfitError):
    """The disk of the store is full."""


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


@contextmanager
def telling(root: Path) -> Iterator[None]:
    """Turn what the operating system says of a store's full or closed disk into our errors."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise StoreFullError(
                f"The disk of the store {root} is full.",
                why="What was fetched so far is kept, and the next run goes on from there.",
                next_step="free space there, or set WHEELHOUSE_STORE to a folder on a larger disk",
            ) from error
        if error.errno in _TAKEN and (folder := _folder_of_a_file(root, error)):
            raise StoreNotWritableError(
                f"{folder} is a folder, and a file of the store belongs there.",
                why="Nothing of this tool makes one there.",
                next_step=f"rm -r {shlex.quote(str(folder))}, then the same command again",
            ) from error
        if error.errno in _CLOSED and _concerns(root, error):
            raise StoreNotWritableError(
                f"The store {root} cannot be written: {error.strerror}.",
                why="The folder belongs to another user, is read-only, or its place is taken by a file.",
                next_step="set WHEELHOUSE_STORE to a folder that you can write",
            ) from error
        raise


def _folder_of_a_file(root: Path, error: OSError) -> Path | None:
    """Return the folder that lies where a file of the store was to be put; None where it was something else."""
    named = (Path(name) for name in (error.filename2, error.filename) if isinstance(name, str))
    return next(
        (one for one in named if one.is_dir() and root in one.parents and one.parent.parent != root), None
    )


def _concerns(root: Path, error: OSError) -> bool:
    """Tell whether an error is about the store, and not about a file that is copied into it."""
    if not isinstance(error.filename, str):
        return True
    path = Path(error.filename)
    return path.is_relative_to(root) or root.is_relative_to(path)
