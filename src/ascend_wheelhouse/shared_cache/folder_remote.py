"""A cache in a folder, such as one on NFS: a file is written beside, flushed, and given its name in one step.

Whoever may write there may also put a link, a pipe or a device there. So each folder below the cache's own is opened
from the one above and through no link, what is written goes to the very file that was made for it, and a pipe is not
waited for: nothing outside of the cache is written or removed by way of it.

Several users push where the cache's own folder lets them: what is made below it gets that folder's rights and group,
whatever umask a writer has.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, ClassVar

from ascend_wheelhouse.base.full_disk import FULL
from ascend_wheelhouse.shared_cache.address import Address
from ascend_wheelhouse.shared_cache.remote import (
    INCOMING,
    LARGEST_TEXT,
    FolderClosedError,
    NoSpaceError,
    RemoteRefusedError,
    Stored,
    UnavailableError,
    shared_mode,
)

_MISSING = (FileNotFoundError, NotADirectoryError)
_REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS}
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_BESIDE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class FolderRemote:
    """A folder of this host's file systems.

    Args:
        address: Where.
    """

    writable: ClassVar[bool] = True

    def __init__(self, address: Address) -> None:
        self.shown = address.shown
        self._root = Path(address.path)
        self._device: int | None = None

    def read(self, name: str) -> bytes | None:
        """Return a small object; None where there is none, no bytes of what is no file."""
        with _telling():
            try:
                number = os.open(self._root / name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            except _MISSING:
                return None
            except OSError as error:
                if error.errno != errno.ELOOP:
                    raise
                return b""
            if not stat.S_ISREG(os.fstat(number).st_mode):
                os.close(number)
                return b""
            with os.fdopen(number, "rb") as file:
                return file.read(LARGEST_TEXT)

    def stat(self, name: str) -> Stored | None:
        """Return what there is of a name; None where there is nothing."""
        with _telling():
            try:
                found = (self._root / name).stat()
            except _MISSING:
                return None
            except OSError as error:
                if error.errno != errno.ELOOP:
                    raise
                found = (self._root / name).lstat()
        return _stored(name, found)

    def url(self, name: str) -> str:
        """Return the file's URL."""
        return (self._root / name).as_uri()

    def copy(self, name: str, offset: int) -> Iterator[bytes] | None:
        """Do nothing: the URL is enough."""
        raise NotImplementedError

    def write(self, name: str, content: bytes, *, replace: bool) -> bool:
        """Write a small object; tell whether it was, which without `replace` an older one stops."""
        return self._put(name, lambda file: file.write(content), replace=replace)

    def upload(self, name: str, source: Path) -> None:
        """Write a file, over any older one."""
        with _telling(), source.open("rb") as content:
            self._put(name, lambda file: shutil.copyfileobj(content, file, 1 << 20), replace=True)

    def refresh(self, name: str) -> None:
        """Have an object count as new."""
        with _telling(), self._folder_of(name) as (folder, last):
            os.utime(last, dir_fd=folder, follow_symlinks=False)

    def listing(self, folder: str) -> Iterator[Stored]:
        """Yield every object below a folder; a link is one itself, whatever it leads to."""
        with _telling():
            try:
                with self._folder(folder) as number:
                    yield from _below(number, folder)
            except _MISSING:
                return

    def remove(self, names: Sequence[str]) -> None:
        """Remove objects, those that are gone already included."""
        with _telling():
            for name in names:
                with suppress(*_MISSING), self._folder_of(name) as (folder, last):
                    os.unlink(last, dir_fd=folder)

    def drop_unfinished(self, before: float) -> None:
        """Remove what killed writers left."""
        self.remove([one.name for one in self.listing(INCOMING) if one.modified < before])

    def _put(self, name: str, fill: Callable[[IO[bytes]], object], *, replace: bool) -> bool:
        with _telling():
            if self._device is None:
                self._root.mkdir(exist_ok=True)  # none above it: a mount may be missing there
            with self._folder(INCOMING, make=True) as incoming, _beside(incoming) as beside:
                with os.fdopen(os.open(beside, _BESIDE, 0o644, dir_fd=incoming), "wb") as file:
                    _share(file.fileno(), os.fstat(incoming))
                    fill(file)
                    file.flush()
                    os.fsync(file.fileno())
                with self._folder_of(name, make=True) as (folder, last):
                    return _named(incoming, beside, folder, last, replace=replace)

    @contextmanager
    def _folder_of(self, name: str, *, make: bool = False) -> Iterator[tuple[int, str]]:
        """Give the open folder of a name, and the last part of the name."""
        folders, _, last = name.rpartition("/")
        with self._folder(folders, make=make) as number:
            yield number, last

    @contextmanager
    def _folder(self, path: str, *, make: bool = False) -> Iterator[int]:
        """Give an open folder below the cache's own; the latter may be a link, none below it.

        Raises:
            UnavailableError: The file system that was there is not, as where a share is mounted no more.
        """
        number = os.open(self._root, _FOLDER)
        try:
            device = os.fstat(number).st_dev
            if self._device not in {None, device}:
                raise UnavailableError("another file system is in its place by now")
            self._device = device
            for part in filter(None, path.split("/")):
                above, number = number, _inner(number, part, make=make)
                os.close(above)
            yield number
        finally:
            os.close(number)


def _inner(above: int, part: str, *, make: bool) -> int:
    made = make and _made(part, above)
    try:
        number = os.open(part, _FOLDER | os.O_NOFOLLOW, dir_fd=above)
    except NotADirectoryError as error:
        if stat.S_ISLNK(os.stat(part, dir_fd=above, follow_symlinks=False).st_mode):
            raise RemoteRefusedError(f"{part} is a link there, and no folder") from error
        raise
    if made or (make and os.fstat(number).st_uid == os.geteuid()):
        _share(number, os.fstat(above))
    return number


def _made(part: str, above: int) -> bool:
    try:
        os.mkdir(part, dir_fd=above)
    except FileExistsError:
        return False
    return True


def _share(number: int, above: os.stat_result) -> None:
    """Give what this user has made the group and the rights of the folder above; a file can be read by all.

    Whose it is then is not asked: on NFS what root makes is another user's (`root_squash`).
    """
    found = os.fstat(number)
    if found.st_gid != above.st_gid:
        with suppress(OSError):  # of a group that this user is not in
            os.fchown(number, -1, above.st_gid)
    mode = shared_mode(found.st_mode, above.st_mode)
    if mode != stat.S_IMODE(found.st_mode):
        with suppress(OSError):  # on file systems without such rights
            os.fchmod(number, mode)


def _below(folder: int, path: str) -> Iterator[Stored]:
    """Yield every object below an open folder; one that cannot be listed is an error: it may name what is in use."""
    with os.scandir(folder) as rows:
        found = [(row.name, row.is_dir(follow_symlinks=False)) for row in rows if not _leads_to_folder(row)]
    for name, is_folder in found:
        inner = f"{path}/{name}"
        with suppress(FileNotFoundError):
            if not is_folder:
                yield _stored(inner, os.stat(name, dir_fd=folder, follow_symlinks=False))
                continue
            number = _inner(folder, name, make=False)
            try:
                yield from _below(number, inner)
            finally:
                os.close(number)


def _leads_to_folder(row: os.DirEntry[str]) -> bool:
    with suppress(OSError):  # a link that leads to itself leads to none
        return row.is_symlink() and row.is_dir()
    return False


def _stored(name: str, found: os.stat_result) -> Stored:
    return Stored(name=name, size=found.st_size, modified=found.st_mtime)


@contextmanager
def _beside(folder: int) -> Iterator[str]:
    """Give a new name in a folder, and remove what has it afterwards."""
    name = f"tmp-{secrets.token_hex(16)}"
    try:
        yield name
    finally:
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=folder)


def _named(incoming: int, beside: str, folder: int, last: str, *, replace: bool) -> bool:
    """Give a file its name; tell whether it has it now, which without `replace` an older one stops.

    Only a link gives no name that is taken. FAT and some shares have none: there a look has to do, and of two writers
    at the very same time the later one stays.
    """
    if not replace:
        try:
            os.link(beside, last, src_dir_fd=incoming, dst_dir_fd=folder, follow_symlinks=False)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            if last in os.listdir(folder):
                return False
        else:
            return True
    os.replace(beside, last, src_dir_fd=incoming, dst_dir_fd=folder)
    return True


@contextmanager
def _telling() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        text = error.strerror or type(error).__name__
        if error.errno in _REFUSED:
            raise FolderClosedError(text) from error
        if error.errno in FULL:
            raise NoSpaceError(text) from error
        raise UnavailableError(text) from error
