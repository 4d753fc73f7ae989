"""Releases of a Python that wheels exclude: `Requires-Python: >=3.11.4` keeps a wheel from CPython 3.11.3.

pip refuses such a wheel on a node with that release. uv installs it unasked where it is named in a file, so that the
manifest says it, and `install.py` looks. Source: the core metadata specification, `Requires-Python`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from packaging.specifiers import SpecifierSet

NUMBERS = range(100)
"""Numbers of the releases of a Python."""


def barred(stated: str, python: str) -> list[str]:
    """Return the releases of a Python such as `3.11` that a `Requires-Python` excludes; none where it excludes all.

    Raises:
        InvalidSpecifier: It is none.
    """
    allowed = SpecifierSet(stated)
    releases = [f"{python}.{number}" for number in NUMBERS]
    if python not in stated or not allowed.contains(releases[-1]):
        return []
    fitting = {*allowed.filter(releases)}
    return [one for one in releases if one not in fitting]


def as_manifest(stated: Iterable[tuple[str, str]], python: str) -> dict[str, Mapping[str, list[str]]]:
    """Return what the manifest says of them: under `barred`, for each such wheel's name, the releases; else nothing.

    Args:
        stated: Pairs of a wheel's name and its `Requires-Python`.
        python: The cell's Python, such as `3.11`.
    """
    found = {name: releases for name, text in stated if (releases := _readable(text, python))}
    return {"barred": dict(sorted(found.items()))} if found else {}


def _readable(stated: str, python: str) -> list[str]:
    try:
        return barred(stated, python)
    except ValueError:  # the audit tells it
        return []
