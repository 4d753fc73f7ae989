"""A CPython that the wheelhouse carries, for nodes whose own is another: unpacked once below the prefix."""

from __future__ import annotations

import shutil
import tarfile
import zlib
from pathlib import Path

from .. import durable
from ..errors import IntegrityError
from ..reading.contents import Contents, Entry
from . import trash

FOLDER = "python"
"""Where they stand below a prefix, each in a folder that its digest names."""


class BadPythonArchiveError(IntegrityError):
    """The archive holds no Python."""


def find(contents: Contents) -> Entry | None:
    """Return the CPython archive of a wheelhouse, if it has one."""
    payloads = contents.of_kind("payload")
    return next((entry for entry in payloads if entry.path.rpartition("/")[2].startswith("cpython-")), None)


def unpack(archive: Path, digest: str, prefix: Path, *, wanted: str) -> str:
    """Unpack an archive below `prefix/python`, once and again where files of it are gone, and return its interpreter.

    Args:
        archive: The archive.
        digest: Its sha256.
        prefix: The folder that holds the environments.
        wanted: The `major.minor` that the wheels are for, for the text of an error.

    Raises:
        BadPythonArchiveError: There is no `bin/python3` in it.
    """
    folder = prefix / FOLDER / digest[:16]
    if not _is_whole(archive, folder):
        fresh = folder.with_suffix(".new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        try:
            with tarfile.open(archive) as tar:
                tar.extraction_filter = getattr(tarfile, "data_filter", lambda member, _path: member)
                tar.extractall(fresh)  # noqa: S202 - its digest stands in the signed manifest
        except (tarfile.TarError, EOFError, zlib.error) as error:
            raise BadPythonArchiveError(
                f"{archive.name} cannot be unpacked: {error}.",
                why="It was damaged before the bundle was made, or is no archive of CPython.",
                next_step=f"vendor an install_only archive of CPython {wanted}",
            ) from error
        durable.flush(fresh)  # an environment in use may name this folder already
        trash.throw_away(folder, prefix)
        fresh.rename(folder)
    found = next(iter(sorted(folder.glob("**/bin/python3"))), None)
    if found is None:
        raise BadPythonArchiveError(
            f"{archive.name} holds no bin/python3.",
            next_step=f"vendor an install_only archive of CPython {wanted}",
        )
    return str(found)


def _is_whole(archive: Path, folder: Path) -> bool:
    """Whether every file of an archive stands in a folder, as it is in the archive, and no other does."""
    if not folder.is_dir():
        return False
    there = {
        path for path in folder.rglob("*") if (path.is_symlink() or not path.is_dir()) and _is_kept(path)
    }
    try:
        with tarfile.open(archive) as tar:
            kept = {folder / member.name: member for member in tar if not member.isdir()}
            kept = {path: member for path, member in kept.items() if _is_kept(path)}
            return there == kept.keys() and all(_stands(tar, member, path) for path, member in kept.items())
    except (tarfile.TarError, EOFError, zlib.error, OSError):
        return False


def _is_kept(path: Path) -> bool:
    """Whether a file stays as it is; Python may write byte code at any time."""
    return "__pycache__" not in path.parts


def _stands(tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> bool:
    if member.issym():
        return path.is_symlink() and path.exists()
    content = tar.extractfile(member)
    return content is not None and not path.is_symlink() and path.read_bytes() == content.read()
