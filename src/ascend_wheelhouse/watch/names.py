"""What a file name or a tag says of a version: cheap, since pages of an index name a hundred thousand files."""

from __future__ import annotations

import re
from functools import lru_cache

from packaging.tags import parse_tag
from packaging.version import Version

from ascend_wheelhouse.cells.target import Target

_LONGEST = 100
_DAY = re.compile(r"(20[0-9]{2})([01][0-9])([0-3][0-9])(.*)")
_SDIST = (".tar.gz", ".zip", ".tar.bz2")


def version_text(filename: str) -> str:
    """Return the version in the name of a wheel or a source archive, empty where there is none."""
    if filename.endswith(".whl"):
        parts = filename.split("-")
        return parts[1] if len(parts) in {5, 6} else ""
    for end in _SDIST:
        if filename.endswith(end):
            return filename.removesuffix(end).rpartition("-")[2]
    return ""


@lru_cache(maxsize=1 << 16)
def version_or_none(text: str) -> Version | None:
    """Return the version that a text is, None where it is none of PEP 440."""
    try:
        return Version(text) if len(text) < _LONGEST else None
    except ValueError:
        return None


def dated(version: Version) -> Version:
    """Return a version that orders rightly beside dotted dates: `20251206` counts as `2025.12.6`.

    sgl-kernel-npu has tags of both forms (recipes/sgl-kernel-npu.toml).
    """
    found = _DAY.fullmatch(str(version))
    if found is None or len(version.release) > 1:
        return version
    return version_or_none(f"{found[1]}.{found[2]}.{found[3]}{found[4]}") or version


@lru_cache(maxsize=1 << 14)
def _tags_of(filename: str) -> frozenset[str]:
    try:
        tags = parse_tag("-".join(filename.removesuffix(".whl").split("-")[-3:]))
    except ValueError:
        return frozenset()
    return frozenset(map(str, tags))


@lru_cache(maxsize=16)
def _accepted(target: Target) -> frozenset[str]:
    return frozenset(map(str, target.tags))


def usable(filename: str, target: Target) -> bool:
    """Tell whether a wheel, by its name, is for a target."""
    return filename.endswith(".whl") and not _accepted(target).isdisjoint(_tags_of(filename))
