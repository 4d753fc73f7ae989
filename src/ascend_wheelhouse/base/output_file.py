"""The file that an option names for a result: its place is tried before the work, and its folder made for it.

Nobody should wait an hour for a result that has no place to go.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

from ascend_wheelhouse.base.errors import HostUnfitError, UsageError
from ascend_wheelhouse.base.whole_file import write_whole


class OutputUnwritableError(UsageError):
    """A result cannot be written where an option says."""


class OutputFolderError(HostUnfitError):
    """The folder that takes the results of a run cannot be written."""


def can_hold(folder: Path) -> bool:
    """Tell whether this user may write in a folder, or make it where it is not there yet."""
    above = _standing(folder)
    return above.is_dir() and os.access(above, os.W_OK | os.X_OK)


def refusal(folder: Path) -> int:
    """Return what the system says where this user may not write in a folder: EROFS on a read-only disk, else EACCES."""
    return errno.EROFS if os.statvfs(folder).f_flag & os.ST_RDONLY else errno.EACCES


_WHEELHOUSE = "The wheelhouse is put there at the end. Nothing was fetched or built yet."
_OTHER_OUTPUT = (
    "--output with a folder that you may write to, or the same command in a project folder of your own"
)


def require_folder(folder: Path, why: str = _WHEELHOUSE, next_step: str = _OTHER_OUTPUT) -> None:
    """Hold the folder that takes the results of a run to one that can be written, or made.

    Args:
        folder: It.
        why: What of a run is put there, and what was done before.
        next_step: What to do where it cannot be.

    Raises:
        OutputFolderError: It cannot be written, as far as can be seen.
    """
    if can_hold(folder):
        return
    above = _standing(folder)
    fault = os.strerror(refusal(above)) if above.is_dir() else f"{above} is no folder"
    raise OutputFolderError(
        f"{folder} cannot be written: {fault}.",
        why=why,
        next_step=next_step,
    )


def require_out(folder: Path, what: str, option: str = "--out") -> None:
    """Hold the folder that an option names for a result to one that can be written, or made.

    Args:
        folder: It.
        what: What is put there.
        option: What named it.

    Raises:
        OutputFolderError: It cannot be written, as far as can be seen.
    """
    why = f"{what} there. Nothing was read or made yet."
    require_folder(folder, why, f"the same command with {option} and a folder that you may write to")


def _standing(folder: Path) -> Path:
    """Return a folder, or the nearest one above it that is there."""
    return next(one for one in (folder.absolute(), *folder.absolute().parents) if one.exists())


def trouble(path: Path) -> OSError | None:
    """Return what would keep a file from being written at a place, None where nothing is seen that would."""
    above = next(one for one in path.absolute().parents if one.exists())
    if path.is_dir():
        return IsADirectoryError(errno.EISDIR, "it is a folder")
    if not above.is_dir():
        return NotADirectoryError(errno.ENOTDIR, f"{above.name} is no folder")
    if not path.exists() and not os.access(above, os.W_OK | os.X_OK):
        number = refusal(above)
        return OSError(number, os.strerror(number))
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
