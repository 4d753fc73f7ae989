"""A CPython that the wheelhouse carries, for nodes whose own is another: unpacked once below the prefix."""

from __future__ import annotations

import shutil
import tarfile
import zlib
from pathlib import Path

from ..errors import IntegrityError
from ..reading.contents import Contents, Entry


class BadPythonArchiveError(IntegrityError):
    """The archive holds no Python."""


def find(contents: Contents) -> Entry | None:
    """Return the CPython archive of a wheelhouse, if it has one."""
    payloads = contents.of_kind("payload")
    return next((entry for entry in payloads if entry.path.rpartition("/")[2].startswith("cpython-")), None)


def unpack(archive: Path, digest: str, prefix: Path, *, wanted: str) -> str:
    """Unpack an archive below `prefix/python`, once, and return its interpreter.

    Args:
        archive: The archive.
        digest: Its sha256.
        prefix: The folder that holds the environments.
        wanted: The `major.minor` that the wheels are for, for the text of an error.

    Raises:
        BadPythonArchiveError: There is no `bin/python3` in it.
    """
    folder = prefix / "python" / digest[:16]
    if not folder.is_dir():
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
        fresh.rename(folder)
    found = next(iter(sorted(folder.glob("**/bin/python3"))), None)
    if found is None:
        raise BadPythonArchiveError(
            f"{archive.name} holds no bin/python3.",
            next_step=f"vendor an install_only archive of CPython {wanted}",
        )
    return str(found)
