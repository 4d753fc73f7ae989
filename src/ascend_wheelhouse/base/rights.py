"""The rights of a group's folder for what is made in it, whatever the umask of who made it.

Whoever may write in a folder shall be able to lock what is in it, and to go on where another ended. So what this tool
keeps there for itself is open to those for whom the folder is open to write, and to nobody else. In a folder such as
`/tmp`, where anyone writes and each keeps his own (the sticky bit), the umask alone decides.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

_LOCK = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW


def make_folder(top: Path, *names: str) -> Path:
    """Return the folder of those names below another one; each of them is open as the one above it is.

    Args:
        top: Made where it is missing, with the rights that the umask gives.
        names: One folder in the other; none is a path.

    Raises:
        OSError: One cannot be made.
    """
    top.mkdir(parents=True, exist_ok=True)
    for name in names:
        above, top = top, top / name
        top.mkdir(exist_ok=True)
        _share(top, top.stat(), above.stat(), write=True, read=True)
    return top


def lock_file(path: Path) -> int:
    """Open a lock file, made where it is missing, and return its number; no link is followed.

    It is opened for writing: NFS gives an exclusive lock to nobody who may only read.

    Raises:
        OSError: It cannot be made or written.
    """
    try:
        number = os.open(path, _LOCK)
    except FileNotFoundError:  # asked first: with O_CREAT the kernel keeps another user's from us in /tmp
        number = os.open(path, _LOCK | os.O_CREAT, 0o666)
    _share(number, os.fstat(number), path.parent.stat(), write=True, read=True)
    return number


def share(path: Path, *, write: bool = False) -> None:
    """Open what this user has made to those for whom its folder is open to write; a link is left as it is.

    Args:
        path: A file or a folder.
        write: Whether they may write the file as well; a folder they may.
    """
    found = path.lstat()
    if not stat.S_ISLNK(found.st_mode):
        _share(path, found, path.parent.stat(), write=write)


def share_tree(folder: Path, above: Path | None = None) -> None:
    """Open a folder and all below it as `share` does, so that another may put a new one in its place.

    What has further names is left as it is: they are the store's.

    Args:
        folder: The folder.
        above: The one that it is about to be put into; the one that it is in when None.
    """
    _share(folder, folder.stat(), (above or folder.parent).stat(), write=False)
    for place, folders, files in os.walk(folder):
        for path in (Path(place, name) for name in folders + files):
            if path.is_dir() or path.lstat().st_nlink == 1:
                share(path)


def readable(place: Path, access: int = os.R_OK | os.X_OK) -> Path:
    """Return a folder's place, or one beside it that is this user's alone where the folder is closed to this user.

    Args:
        place: What may be there; what is not there may be made.
        access: What this user has to be able to do with it.
    """
    return place if not place.exists() or os.access(place, access) else _apart(place)


def own(place: Path) -> Path:
    """Return a folder's place, or one beside it where it is of another user, who alone sets times there."""
    with suppress(FileNotFoundError):
        if os.geteuid() not in {0, place.lstat().st_uid}:
            return _apart(place)
    return place


def _apart(place: Path) -> Path:
    return place.with_name(f"{place.name}.{os.geteuid()}")


def _share(
    made: Path | int, found: os.stat_result, above: os.stat_result, *, write: bool, read: bool = False
) -> None:
    """Do it; with `read`, who may read the folder above may read what was made as well."""
    if found.st_uid != os.geteuid():
        return
    writers = 0 if above.st_mode & stat.S_ISVTX and above.st_mode & stat.S_IWOTH else above.st_mode
    with suppress(OSError):  # of a group that this user is not in, or on a file system without such rights
        if writers & stat.S_IWGRP and found.st_gid != above.st_gid:
            os.chown(made, -1, above.st_gid)
            found = os.stat(made)  # noqa: PTH116 - it may be a number
    group = writers & stat.S_IWGRP and found.st_gid == above.st_gid
    to = (stat.S_IRWXG if group else 0) | (stat.S_IRWXO if writers & stat.S_IWOTH else 0)
    mode = found.st_mode | (
        above.st_mode & (to | (0o555 if read else 0)) & _allowed(found.st_mode, write=write)
    )
    if stat.S_ISDIR(mode) and group:
        mode |= above.st_mode & (stat.S_ISGID | stat.S_ISVTX)
    if mode != found.st_mode:
        with suppress(OSError):
            os.chmod(made, stat.S_IMODE(mode))  # noqa: PTH101 - as above


def _allowed(mode: int, *, write: bool) -> int:
    """Return the rights that something of a kind may have: a file that its owner does not run is run by nobody."""
    if stat.S_ISDIR(mode):
        return 0o777
    return 0o444 | (0o222 if write else 0) | (0o111 if mode & stat.S_IXUSR else 0)
