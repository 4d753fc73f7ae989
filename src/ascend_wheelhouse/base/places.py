"""Paths as people write them: `~` and links resolved where they can be, and left as they are where not.

`pathlib` raises RuntimeError for the home of a user who does not exist, and for a link that leads to itself.
"""

from __future__ import annotations

import os
from pathlib import Path

from ascend_wheelhouse.base.errors import HostUnfitError


class HomelessError(HostUnfitError):
    """Nothing says where the folders of this user are."""


def user_cache() -> Path:
    """Return the user's cache folder of this program, as the XDG base directory specification has it.

    Raises:
        HomelessError: No variable names it, and the list of users does not have this one.
    """
    import platformdirs  # noqa: PLC0415 - who says where all is need not pay for the question

    try:
        folder = platformdirs.user_cache_path("ascend-wheelhouse")
    except RuntimeError:  # newer ones of it; earlier ones leave the `~`
        folder = Path("~")
    if folder.is_absolute():
        return folder
    raise HomelessError(
        "This user has no home folder: HOME names none, and the list of users has nobody of its number.",
        why="Downloads, builds and what a resolver reads are kept in a cache folder below it.",
        next_step="`export HOME=/FOLDER` with a folder that you can write, then the same command again",
    )


def at_home(place: str) -> Path:
    """Return a path with its `~` replaced; that of an unknown user stays, and is then no file."""
    return Path(os.path.expanduser(place))  # noqa: PTH111 - Path.expanduser raises


def real(path: Path) -> Path:
    """Return an absolute path without links; one that leads to itself stays, and is then no file."""
    return Path(os.path.realpath(path))
