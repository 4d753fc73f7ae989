"""Whether a wheel is what its file name says: the cheapest look inside, before a file counts as fetched."""

from __future__ import annotations

import zipfile
from email.parser import BytesHeaderParser
from pathlib import Path

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from ascend_wheelhouse.base.archives import read_text, telling
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
    with telling(lambda fault: _broken(filename, fault)), zipfile.ZipFile(path) as archive:
        (member,) = (name for name in archive.namelist() if _is_metadata(name))
        fields = BytesHeaderParser().parsebytes(read_text(archive, member))
    return str(fields.get("Name", "")), str(fields.get("Version", ""))


def _broken(filename: str, fault: str) -> BrokenWheelError:
    return BrokenWheelError(
        f"{filename} is not a readable wheel: {fault}",
        why="It was cut short or built wrongly.",
        next_step="take another version, or tell the project; nothing was kept",
    )


def _is_metadata(name: str) -> bool:
    return name.count("/") == 1 and name.endswith(".dist-info/METADATA")
