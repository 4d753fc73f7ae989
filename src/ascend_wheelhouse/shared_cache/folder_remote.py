"""A cache in a folder, such as one on NFS: a file is written beside, flushed, and given its name in one step."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from ascend_wheelhouse.shared_cache.address import Address
from ascend_wheelhouse.shared_cache.remote import (
    INCOMING,
    LARGEST_TEXT,
    NoSpaceError,
    RemoteRefusedError,
    Stored,
    UnavailableError,
)

_MISSING = (FileNotFoundError, NotADirectoryError)
_REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS}
_FULL = {errno.ENOSPC, errno.EDQUOT}


class FolderRemote:
    """A folder of this host's file systems.

    Args:
        address: Where.
    """

    writable: ClassVar[bool] = True

    def __init__(self, address: Address) -> None:
        self.shown = address.shown
        self._root = Path(address.path)

    def read(self, name: str) -> bytes | None:
        """Return a small object; None where there is none."""
        with _telling():
            try:
                with (self._root / name).open("rb") as file:
                    return file.read(LARGEST_TEXT)
            except _MISSING:
                return None

    def stat(self, name: str) -> Stored | None:
        """Return what there is of a name; None where there is nothing."""
        with _telling():
            try:
                found = (self._root / name).stat()
            except _MISSING:
                return None
        return Stored(name=name, size=found.st_size, modified=found.st_mtime)

    def url(self, name: str) -> str:
        """Return the file's URL."""
        return (self._root / name).as_uri()

    def copy(self, name: str, offset: int) -> Iterator[bytes] | None:
        """Do nothing: the URL is enough."""
        raise NotImplementedError

    def write(self, name: str, content: bytes, *, replace: bool) -> bool:
        """Write a small object; tell whether it was, which without `replace` an older one stops."""
        with _telling(), self._beside() as path:
            path.write_bytes(content)
            return self._place(path, name, replace=replace)

    def upload(self, name: str, source: Path) -> None:
        """Write a file, over any older one."""
        with _telling(), self._beside() as path:
            shutil.copyfile(source, path)
            self._place(path, name, replace=True)

    def refresh(self, name: str) -> None:
        """Have an object count as new."""
        with _telling():
            os.utime(self._root / name)

    def listing(self, folder: str) -> Iterator[Stored]:
        """Yield every object below a folder."""
        with _telling():
            for parent, _, files in os.walk(self._root / folder):
                for file in files:
                    path = Path(parent, file)
                    if found := self.stat(path.relative_to(self._root).as_posix()):
                        yield found

    def remove(self, names: Sequence[str]) -> None:
        """Remove objects, those that are gone already included."""
        with _telling():
            for name in names:
                (self._root / name).unlink(missing_ok=True)

    def drop_unfinished(self, before: float) -> None:
        """Remove what killed writers left."""
        self.remove([one.name for one in self.listing(INCOMING) if one.modified < before])

    @contextmanager
    def _beside(self) -> Iterator[Path]:
        """Give a file in the folder; the cache's own folder is made, none above it: a mount may be missing there."""
        self._root.mkdir(exist_ok=True)
        folder = self._root / INCOMING
        folder.mkdir(exist_ok=True)
        number, name = tempfile.mkstemp(prefix="tmp-", dir=folder)
        os.close(number)
        path = Path(name)
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

    def _place(self, path: Path, name: str, *, replace: bool) -> bool:
        path.chmod(0o644)
        number = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(number)
        finally:
            os.close(number)
        place = self._root / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if replace:
            path.replace(place)
            return True
        try:
            place.hardlink_to(path)
        except FileExistsError:
            return False
        return True


@contextmanager
def _telling() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        text = error.strerror or type(error).__name__
        if error.errno in _REFUSED:
            raise RemoteRefusedError(text) from error
        if error.errno in _FULL:
            raise NoSpaceError(text) from error
        raise UnavailableError(text) from error
