"""Paths of a source or of a build's folder, held to lie in it: both are changed on the host, outside any sandbox.

A repository may hold links to anywhere, as git checks them out. They do no harm while nothing goes through them.
"""

from __future__ import annotations

from pathlib import Path

from ascend_wheelhouse.base.errors import IntegrityError
from ascend_wheelhouse.base.places import real


class LinkOutError(IntegrityError):
    """A file or folder of a source, or of a build's folder, that is to be changed lies behind a link out of it."""


def inside(folder: Path, name: str | Path) -> Path:
    """Return a path below a folder, wherever its links lead within it.

    Args:
        folder: A source's, or a build's.
        name: The path, relative to it.

    Raises:
        LinkOutError: It lies behind a link that leads out, or is one.
    """
    path = folder / name
    if real(path).is_relative_to(real(folder)):
        return path
    raise LinkOutError(
        f"{name} leads out of the folder of the source by a link.",
        why="Sources are changed on the host itself: a file of somebody else would be read, written or removed.",
        next_step="do not build from it: take the source from its upstream, and compare the commit",
    )
