"""What the indexes have of a project of which nothing fits a target: a sentence for who wonders why."""

from __future__ import annotations

import re
from collections.abc import Sequence

from packaging.tags import Tag
from packaging.utils import InvalidSdistFilename, parse_sdist_filename, parse_wheel_filename
from packaging.version import Version

from ascend_wheelhouse.base.errors import SourceUnreachableError
from ascend_wheelhouse.cells.target import Target
from ascend_wheelhouse.origins.index import Finder
from ascend_wheelhouse.origins.page import Offer, project_status

_SHOWN = 4
_GLIBC = re.compile(r"manylinux_(\d+)_(\d+)_(\w+)")


def told_of(finder: Finder, name: str, target: Target) -> str:
    """Say what there is of a project, and what a cell would need; empty where an index does not answer.

    Args:
        finder: Asks the indexes.
        name: The project.
        target: The node.
    """
    try:
        found = finder.published(name, lambda _filename: True)
        status = "; ".join(filter(None, map(project_status, finder.pages(name))))
    except SourceUnreachableError:
        return ""
    if not found:
        return f"No index has a file of {name}{f': it is {status}' if status else ''}."
    return f"{_of(name, found, target)}{f' An index says of it: {status}.' if status else ''}"


def _of(name: str, found: Sequence[Offer], target: Target) -> str:
    wheels = [(version, tags, one) for one in found if (read := _wheel(one)) for version, tags in [read]]
    if not wheels:
        versions = [version for one in found if (version := _sdist(one))]
        unread = [one.filename for one in found if one.is_wheel]
        if versions and not unread:
            return f"The index has {name} as source archives alone, {max(versions)} the newest."
        return f"The index has no file of {name} whose name can be read: {', '.join((unread or ['none'])[:_SHOWN])}."
    newest = max(version for version, _, _ in wheels)
    own = [(tags, one) for version, tags, one in wheels if version == newest]
    if any(tags & {*target.tags} for tags, _ in own):
        asked = {one.requires_python for _, one in own if one.requires_python}
        python = f", for Python {', '.join(sorted(asked))}" if asked else ""
        return f"The index has {name} {newest}, whose tags fit{python}."
    shown = sorted({str(tag) for tags, _ in own for tag in tags})
    more = f" and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else ""
    text = f"The newest {name} with wheels, {newest}, has them for {', '.join(shown[:_SHOWN])}{more}."
    return f"{text}{_newer_glibc([tags for tags, _ in own], target)}"


def _newer_glibc(wheels: Sequence[frozenset[Tag]], target: Target) -> str:
    """Return what `--glibc` would help, where the wheels are for nodes with a newer one alone."""
    fits = {(tag.interpreter, tag.abi) for tag in target.tags}
    newer = [
        (int(glibc[1]), int(glibc[2]))
        for tags in wheels
        for tag in tags
        if (tag.interpreter, tag.abi) in fits
        and (glibc := _GLIBC.fullmatch(tag.platform))
        and glibc[3] == target.machine
    ]
    least = min((one for one in newer if one > target.glibc), default=None)
    return f" `--glibc {least[0]}.{least[1]}` takes it, where all nodes have that." if least else ""


def _wheel(offer: Offer) -> tuple[Version, frozenset[Tag]] | None:
    try:
        _, version, _, tags = parse_wheel_filename(offer.filename)
    except ValueError:
        return None
    return version, tags


def _sdist(offer: Offer) -> Version | None:
    try:
        return parse_sdist_filename(offer.filename)[1]
    except (InvalidSdistFilename, ValueError):
        return None
