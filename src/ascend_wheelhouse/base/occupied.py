"""One writer of a folder at a time, and a swap that nobody sees half done.

The lock is the kernel's (`flock`) on a file in the `.state` folder beside: it ends with the process that holds it,
however that ends. The file says which process that is.
"""

from __future__ import annotations

import ctypes
import errno
import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ascend_wheelhouse.base import flocks, rights
from ascend_wheelhouse.base.errors import HostUnfitError
from ascend_wheelhouse.base.events import Emit, Note, silent

STATE = ".state"
_AT_FDCWD, _EXCHANGE = -100, 2
_NO_EXCHANGE = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EPERM}
_renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)


class LockClosedError(HostUnfitError):
    """What keeps two runs apart in a folder is another user's, and closed to this one."""


@contextmanager
def writing(folder: Path, emit: Emit = silent) -> Iterator[None]:
    """Be the one that writes a folder; waits, and says for whom, while another process reads or writes it.

    Raises:
        LockClosedError: Another user's lock is there, and this one may not write it.
    """
    lock = _lock_file(folder)
    number = _opened(lock)
    try:
        flocks.take(number, flocks.ALONE, lambda: _tell(number, folder, emit))
        os.ftruncate(number, 0)
        os.pwrite(number, str(os.getpid()).encode(), 0)
        yield
    finally:
        _close(number)


def _opened(lock: Path) -> int:
    try:
        rights.make_folder(lock.parent.parent, STATE)
        return rights.lock_file(lock)
    except PermissionError as error:
        if not lock.parent.is_dir():
            raise
        raise _closed(lock) from error


def require_open(folder: Path) -> None:
    """Hold the lock of a folder to one that this user may take, before an hour's work for it.

    Raises:
        LockClosedError: Another user's lock is there, and this one may not write it.
    """
    lock = _lock_file(folder)
    there = next((one for one in (lock, lock.parent) if one.exists()), None)
    if there and not os.access(there, os.W_OK):
        raise _closed(lock)


def _closed(lock: Path) -> LockClosedError:
    return LockClosedError(
        f"{lock if lock.exists() else lock.parent} cannot be written: {os.strerror(errno.EACCES)}.",
        why="It is another user's, from an earlier run, and keeps two runs from writing to one place at once.",
        next_step=f"have its owner run `chmod -R g+rwX {shlex.quote(str(lock.parent))}`, or the same command with "
        "another folder for the result",
    )


@contextmanager
def reading(folder: Path, emit: Emit = silent) -> Iterator[None]:
    """Keep writers of a folder away while it is read; a folder on a medium that is read-only has none."""
    try:
        number = os.open(_lock_file(folder), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        yield
        return
    try:
        flocks.take(number, flocks.SHARED, lambda: _tell(number, folder, emit))
        yield
    finally:
        _close(number)


def _close(number: int) -> None:
    """Close a lock; what its medium says of that, such as that it is gone, hides nothing that was said before."""
    with suppress(OSError):
        os.close(number)


def _lock_file(folder: Path) -> Path:
    whole = Path(os.path.realpath(folder))  # the same for whoever names it by a symlink
    return whole.parent / STATE / f"{whole.name}.lock"


def _tell(number: int, folder: Path, emit: Emit) -> None:
    holder = os.pread(number, 32, 0).decode("ascii", "replace").strip() or "unknown"
    emit(Note(text=f"waiting: process {holder} is at work on {folder.name}", level="warning"))


def swap(new: Path, final: Path) -> None:
    """Put `new` at the name `final`; what stood there stands at the name `new` then, if it was there at all.

    With the kernel's exchange there is always a folder at `final`. Where the file system has none, there
    is a short one: what stood there is at `aside(final)` meanwhile, and `recover` brings it back after a kill.

    Raises:
        OSError: The file system refused.
    """
    if not os.path.lexists(final):
        new.rename(final)
        return
    if _exchange(new, final):
        return
    old = aside(final)
    final.rename(old)
    new.rename(final)
    old.rename(new)


def _exchange(new: Path, final: Path) -> bool:
    if _renameat2 is None:
        return False
    if _renameat2(_AT_FDCWD, os.fsencode(new), _AT_FDCWD, os.fsencode(final), _EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in _NO_EXCHANGE:
        return False
    raise OSError(number, os.strerror(number), str(final))


def aside(final: Path) -> Path:
    """Return where the folder at `final` stands during a swap without the kernel's exchange."""
    return final.with_name(f".{final.name}.old")


def recover(final: Path) -> None:
    """Bring back the folder that a killed swap left aside, if none stands at `final`."""
    if aside(final).is_dir() and not os.path.lexists(final):
        aside(final).rename(final)
