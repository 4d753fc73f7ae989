"""Whether a wheel is what its file name says: the cheapest look inside, before a file counts as fetched."""

from __future__ import annotations

import zipfile
from email.parser import BytesHeaderParser
from pathlib import Path

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from ascend_wheelhouse.base.errors import IntegrityError


class BrokenWheelError(IntegrityError):
    """A wheel is no readable zip file with one METADATA."""


class WheelNamesDifferError(IntegrityError):
    """A wheel's METADATA states another name or version than its file name."""


def check_wheel_names(path: Path, filename: str) -> None:
    """Compare a wheel's METADATA with its file name; files other than wheels pass.

    Raises:
        BrokenWheelError: It is no zip file, or has not exactly one METADATA.
        WheelNamesDifferError: Name or version differ.
    """
    if not filename.endswith(".whl"):
        return
    stated = _stated(path, filename)
    try:
        name, version, _, _ = parse_wheel_filename(filename)
        same = canonicalize_name(stated[0]) == name and Version(stated[1]) == version
    except (InvalidVersion, InvalidWheelFilename):
        same = False
    if not same:
        raise WheelNamesDifferError(
            f"{filename}: its METADATA says {stated[0]} {stated[1]}.",
            why="The file was renamed, or built wrongly; pip would refuse it on the node.",
            next_step="take another version, or tell the project; nothing was kept",
        )


def _stated(path: Path, filename: str) -> tuple[str, str]:
    try:
        with zipfile.ZipFile(path) as archive:
            (member,) = (name for name in archive.namelist() if _is_metadata(name))
            fields = BytesHeaderParser().parsebytes(archive.read(member))
    except (zipfile.BadZipFile, ValueError, OSError, EOFError) as error:
        raise BrokenWheelError(
            f"{filename} is not a readable wheel: {error}",
            why="It was cut short or built wrongly.",
            next_step="take another version, or tell the project; nothing was kept",
        ) from error
    return fields.get("Name", ""), fields.get("Version", "")


def _is_metadata(name: str) -> bool:
    return name.count("/") == 1 and name.endswith(".dist-info/METADATA")
