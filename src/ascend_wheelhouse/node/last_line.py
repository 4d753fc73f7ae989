"""What a tool on a node says where nothing of it foresaw the fault: a text and an exit code, never a traceback."""

from __future__ import annotations

import errno
import os
import shlex
import traceback
from pathlib import Path

from .errors import HostUnfitError, UnexpectedError
from .seen import is_folder

FULL = (errno.ENOSPC, errno.EDQUOT)
"""What the system says where bytes or inodes ran out, or a user's quota."""


def unfit(error: OSError, untouched: str, written: Path | None = None) -> HostUnfitError:
    """Return the error for a file or folder that the system refused.

    Args:
        error: What the system said; it names no file where one that was open took no more.
        untouched: What stands all the same.
        written: Where the run writes to, besides the folder of temporary files.
    """
    name = error.filename2 or error.filename
    full = error.errno in FULL
    temporary = Path(os.environ.get("TMPDIR") or "/tmp")  # noqa: S108 - named alone
    places = [Path(str(name)).parent] if name else [*([written] if written else []), temporary]
    if not name and error.errno == errno.ENOENT:  # the words of Python's `tempfile`
        return HostUnfitError(
            f"{error.strerror}.", why=untouched, next_step="export TMPDIR=/FOLDER; then the same command"
        )
    words = shlex.join(dict.fromkeys(str(_standing(place)) for place in places))
    return HostUnfitError(
        f"{name or 'A file'}: {error.strerror}.",
        why=untouched,
        next_step=f"df -h {words}; df -i {words}" if full else "fix that and run the same command again",
    )


def _standing(place: Path) -> Path:
    """Return a folder, or the first above it that is there: what was unfinished is gone by now."""
    return next((one for one in (place, *place.parents) if is_folder(one)), place)


def fault(error: Exception, tool: str, untouched: str) -> UnexpectedError:
    """Return the error for a fault of the tool itself, with the place where it happened."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return UnexpectedError(
        f"The {tool} failed in a way that it should not: {type(error).__name__}: {error} "
        f"(at {Path(frame.filename).name}:{frame.lineno}).",
        why=f"It is a fault of the {tool}, or of a file that it reads back. {untouched}",
        next_step="report this text and the command; `--check` examines the prefix",
    )
