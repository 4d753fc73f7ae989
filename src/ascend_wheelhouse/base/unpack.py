"""Unpacking a tar archive from anywhere: nothing leaves the folder, and every Python unpacks alike.

`tarfile`'s own extraction filters came with Python 3.11.4, and Debian 12 has 3.11.2. Paths are judged by their text,
which is right as long as no path passes through a link that the archive itself made: those are refused, so that
nothing is ever written through a link. Where links lead is looked at once more when all of them are there.
"""

from __future__ import annotations

import os
import posixpath
import tarfile
from pathlib import Path, PurePosixPath

from ascend_wheelhouse.base.archives import Paths, swells

_EXECUTABLE = 0o100


def extract(archive: tarfile.TarFile, folder: Path, *, packed: int | None = None) -> int:
    """Extract files, folders and links that stay inside, with modes 0644 and 0755 and nobody's ownership.

    Args:
        archive: The archive, read once from its start.
        folder: Where to.
        packed: The bytes of its file, from which follows what is a decompression bomb; not judged when None.

    Returns:
        The time of the newest member, in seconds; 0 where there is none.

    Raises:
        tarfile.ExtractError: A member is a device, its path or link leaves the folder, or passes through a link of
            the archive; a path is a file and a folder; or it swells beyond reason.
    """
    newest, size = 0, 0
    links: dict[str, str] = {}
    paths = Paths()
    archive.extraction_filter = lambda member, _path: member  # what may come out is decided here
    for member in archive:
        _refuse(member)
        _refuse_through(member, links)
        member.name = posixpath.normpath(member.name)
        _refuse_odd_link(member, folder)
        size += member.size
        _refuse_size(member, size, packed)
        if fault := paths.add(member.name, folder=member.isdir(), again=True):
            raise tarfile.ExtractError(fault)
        newest = max(newest, int(member.mtime))
        runs = member.isdir() or member.mode & _EXECUTABLE
        member.mode = 0o755 if runs else 0o644
        member.uid = member.gid = 0
        member.uname = member.gname = ""
        archive.extract(member, folder, set_attrs=not member.issym(), numeric_owner=True)
    _refuse_led_out(folder, links)
    return newest


def _refuse_size(member: tarfile.TarInfo, size: int, packed: int | None) -> None:
    if packed is not None and swells(size, packed):
        raise tarfile.ExtractError(f"{member.name} swells it to {size} bytes, from {packed}")


def _refuse_odd_link(member: tarfile.TarInfo, folder: Path) -> None:
    """Refuse a link in the place of something or below a file, or a hard link to what is no file before it."""
    path = folder / member.name
    if (member.issym() or member.islnk()) and any(above.is_file() for above in path.parents):
        raise tarfile.ExtractError(f"{member.name} stands below a file of the archive")
    if (member.issym() or member.islnk()) and os.path.lexists(path):
        raise tarfile.ExtractError(
            f"{member.name} links to {member.linkname}, and stands in the archive before"
        )
    if member.islnk() and not (folder / member.linkname).is_file():
        raise tarfile.ExtractError(f"{member.name} links to {member.linkname}, which is no file before it")


def _refuse_through(member: tarfile.TarInfo, links: dict[str, str]) -> None:
    """Refuse what would be written through a link, or over one; note a link.

    Names are compared without their case, since a folder may lie on a file system that does not tell it.
    """
    paths = [member.name, *([member.linkname] if member.islnk() else [])]
    for path in paths:
        if through := next((step for step in _steps(path) if step in links), None):
            raise tarfile.ExtractError(f"{member.name} leads through {links[through]}, a link of the archive")
    if member.issym():
        links[_steps(member.name)[-1]] = member.name


def _steps(path: str) -> list[str]:
    """Return every path on the way to `path`, itself the last, normalised and without case."""
    parts = PurePosixPath(path).parts or (".",)
    return [posixpath.normpath("/".join(parts[: end + 1])).casefold() for end in range(len(parts))]


def _refuse_led_out(folder: Path, links: dict[str, str]) -> None:
    """Refuse a tree in which a link leads out by way of others, whatever their order was; it takes them away."""
    top = os.path.realpath(folder)
    out = [name for name in links.values() if not _below(os.path.realpath(folder / name), top)]
    for name in out:
        (folder / name).unlink(missing_ok=True)
    if out:
        raise tarfile.ExtractError(f"{out[0]} leads out of the archive's folder, by way of other links")


def _below(path: str, top: str) -> bool:
    return path == top or path.startswith(f"{top}{os.sep}")


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
