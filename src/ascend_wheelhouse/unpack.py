"""Unpacking a tar archive from anywhere: nothing leaves the folder, and every Python unpacks alike.

`tarfile`'s own extraction filters came with Python 3.11.4, and Debian 12 has 3.11.2.
"""

from __future__ import annotations

import tarfile
from pathlib import Path, PurePosixPath

_EXECUTABLE = 0o100


def extract(archive: tarfile.TarFile, folder: Path) -> int:
    """Extract files, folders and links that stay inside, with modes 0644 and 0755 and nobody's ownership.

    Returns:
        The time of the newest member, in seconds; 0 where there is none.

    Raises:
        tarfile.ExtractError: A member is a device, or its path or link leaves the folder.
    """
    newest = 0
    for member in archive:
        _refuse(member)
        newest = max(newest, int(member.mtime))
        runs = member.isdir() or member.mode & _EXECUTABLE
        member.mode = 0o755 if runs else 0o644
        member.uid = member.gid = 0
        member.uname = member.gname = ""
        archive.extract(member, folder, set_attrs=not member.issym(), numeric_owner=True)
    return newest


def _refuse(member: tarfile.TarInfo) -> None:
    if not (member.isreg() or member.isdir() or member.issym() or member.islnk()):
        raise tarfile.ExtractError(f"{member.name} is neither a file, a folder nor a link")
    path = PurePosixPath(member.name)
    if not _inside(path):
        raise tarfile.ExtractError(f"{member.name} leads out of the archive's folder")
    if member.issym() and not _inside(path.parent / member.linkname):
        raise tarfile.ExtractError(f"{member.name} links to {member.linkname}, out of the archive's folder")
    if member.islnk() and not _inside(PurePosixPath(member.linkname)):
        raise tarfile.ExtractError(f"{member.name} links to {member.linkname}, out of the archive's folder")


def _inside(path: PurePosixPath) -> bool:
    """Tell whether a relative path stays below where it starts, at every step."""
    depth = 0
    for part in path.parts:
        depth += -1 if part == ".." else 1
        if depth < 0:
            return False
    return not path.is_absolute()
