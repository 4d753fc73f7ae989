"""Whether a wheel is what its file name says: the cheapest look inside, before a file counts as fetched."""

from __future__ import annotations

from pathlib import Path

from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import Version

from ascend_wheelhouse.base.errors import IntegrityError
from ascend_wheelhouse.wheels.wheel import WheelFile

BuildRank = tuple[int, tuple[int, ...]]


class WheelNamesDifferError(IntegrityError):
    """A wheel's METADATA states another name or version than its file name."""


def check_wheel_names(path: Path, filename: str) -> None:
    """Compare a wheel's METADATA with its file name; files other than wheels pass.

    Raises:
        BadWheelError: It is no zip file, or has not exactly one `.dist-info` with METADATA.
        WheelNamesDifferError: Name or version differ.
    """
    if not filename.endswith(".whl"):
        return
    with WheelFile.open(path, filename=filename) as wheel:
        stated = wheel.raw_metadata.get("name", ""), wheel.raw_metadata.get("version", "")
    try:
        name, version, _, _ = parse_wheel_filename(filename)
        same = canonicalize_name(stated[0]) == name and Version(stated[1]) == version
    except ValueError:
        same = False
    if not same:
        raise WheelNamesDifferError(
            f"{filename}: its METADATA says {stated[0]} {stated[1]}.",
            why="The file was renamed, or built wrongly; pip would refuse it on the node.",
            next_step="take another version, or tell the project; nothing was kept",
        )


def build_rank(build: tuple[int, str] | tuple[()]) -> BuildRank:
    """Return the rank of a wheel's build tag as `parse_wheel_filename` gives it; the lowest is the latest build.

    As for pip, `2` comes before `1b`, that before `1a`, that before `1`, and each before a wheel without a build tag.
    """
    number, text = build or (-1, "")
    return -number, (*(-ord(letter) for letter in text), 1)
