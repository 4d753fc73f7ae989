"""The file that an option names for a result: its place is tried before the work, and its folder made for it.

Nobody should wait an hour for a result that has no place to go.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

from ascend_wheelhouse.base.errors import UsageError
from ascend_wheelhouse.base.whole_file import write_whole


class OutputUnwritableError(UsageError):
    """A result cannot be written where an option says."""


def trouble(path: Path) -> OSError | None:
    """Return what would keep a file from being written at a place, None where nothing is seen that would."""
    above = next(one for one in path.absolute().parents if one.exists())
    if path.is_dir():
        return IsADirectoryError(errno.EISDIR, "it is a folder")
    if not above.is_dir():
        return NotADirectoryError(errno.ENOTDIR, f"{above.name} is no folder")
    if not path.exists() and not os.access(above, os.W_OK | os.X_OK):
        return PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    return None


def require_place(path: Path | None, option: str, example: str) -> None:
    """Hold the place of a result to one that can be written.

    Args:
        path: The file; None where the option was not given.
        option: What named it, such as `--out`.
        example: A file that it could name.

    Raises:
        OutputUnwritableError: It cannot be written there.
    """
    if path is None:
        return
    if error := trouble(path):
        raise OutputUnwritableError(
            f"{path} cannot be written: {error.strerror}.",
            why=f"{option} names a file in a folder that you may write to.",
            next_step=f"the same command with a file in another place, such as {option} {example}",
        )


def write_result(path: Path, text: str) -> None:
    """Write a result; its folder is made where it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, text)
