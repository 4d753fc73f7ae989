"""Paths of a laid-out source, held to lie in it: it is changed on the host itself, before any sandbox is there.

A repository may hold links to anywhere, as git checks them out. They do no harm while nothing goes through them.
"""

from __future__ import annotations

from pathlib import Path

from ascend_wheelhouse.base.errors import IntegrityError
from ascend_wheelhouse.base.places import real


class LinkOutError(IntegrityError):
    """A file or folder of a source that a build reads, changes or removes lies behind a link out of it."""


def inside(source: Path, name: str | Path) -> Path:
    """Return a path below a source, wherever its links lead within it.

    Args:
        source: The source's folder.
        name: The path, relative to it.

    Raises:
        LinkOutError: It lies behind a link that leads out, or is one.
    """
    path = source / name
    if real(path).is_relative_to(real(source)):
        return path
    raise LinkOutError(
        f"{name} of the source leads out of its folder by a link.",
        why="A source is changed on the host itself: a file of somebody else would be read, written or removed.",
        next_step="do not build from it: take the source from its upstream, and compare the commit",
    )
