"""Paths as people write them: `~` and links resolved where they can be, and left as they are where not.

`pathlib` raises RuntimeError for the home of a user who does not exist, and for a link that leads to itself.
"""

from __future__ import annotations

import os
from pathlib import Path

from ascend_wheelhouse.base.errors import HostUnfitError
from ascend_wheelhouse.base.output_file import can_hold, refusal

NAME = "ascend-wheelhouse"


class HomelessError(HostUnfitError):
    """Nothing says where the folders of this user are."""


class CacheFolderError(HostUnfitError):
    """A cache folder of this user cannot be made or written, as in a container whose user has `/` as home."""


def made_cache(*parts: str, program: str = NAME) -> Path:
    """Return a folder in a program's cache folder of this user, made where it was not there.

    Args:
        parts: Its path there.
        program: Whose.

    Raises:
        HomelessError: See `user_cache`.
        CacheFolderError: It cannot be made or written, or is no folder.
    """
    folder = user_cache(program).joinpath(*parts)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unusable(folder, f"cannot be made: {error.strerror}") from error
    if not can_hold(folder):
        raise _unusable(folder, f"cannot be written: {os.strerror(refusal(folder))}")
    return folder


def _unusable(folder: Path, fault: str) -> CacheFolderError:
    return CacheFolderError(
        f"The cache folder {folder} {fault}.",
        why="What a resolver reads is kept there; it is in the home folder, or where XDG_CACHE_HOME says.",
        next_step="`export XDG_CACHE_HOME=/FOLDER` with a folder that you can write, then the same command again",
    )


def user_cache(program: str = NAME) -> Path:
    """Return the user's cache folder of a program, as the XDG base directory specification has it.

    Args:
        program: Whose.

    Raises:
        HomelessError: No variable names it, and the list of users does not have this one.
    """
    import platformdirs  # noqa: PLC0415 - who says where all is need not pay for the question

    try:
        folder = platformdirs.user_cache_path(program)
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
