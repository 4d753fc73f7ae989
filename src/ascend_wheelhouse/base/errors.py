"""Every error that a user can cause: one class per exit code, and their narrower kinds.

An error says three things: what happened, why that is likely, and what to type next. The exit code belongs
to the class directly below `WheelhouseError`; narrower classes inherit it, so that a code stays unique and
documented.
"""

from __future__ import annotations

import errno
import tempfile
import traceback
from pathlib import Path
from typing import ClassVar

from ascend_wheelhouse.base.cell_words import filled

_LONGEST_NAME = 300
_OF_A_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EMFILE, errno.ENFILE}


class WheelhouseError(Exception):
    """Base of all errors shown to the user without a traceback.

    Args:
        what: What happened, one sentence that names the thing at fault.
        why: Why that is likely, or empty.
        next_step: The next command or edit, or empty.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, *, why: str = "", next_step: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.next_step = next_step

    def for_cell(self, words: str) -> None:
        """Put the words of a cell into the commands that the texts propose; see `cell_words`."""
        self.what, self.why, self.next_step = (
            filled(text, words) for text in (self.what, self.why, self.next_step)
        )

    def __str__(self) -> str:
        parts = [self.what, self.why, f"Next: {self.next_step}" if self.next_step else ""]
        return filled("\n\n".join(part for part in parts if part))

    def as_dict(self) -> dict[str, str | int]:
        """Return the error as the object that `--json` prints."""
        return {
            "error": type(self).__name__,
            "exit_code": self.exit_code,
            "what": self.what,
            "why": self.why,
            "next": self.next_step,
        }


class UsageError(WheelhouseError):
    """Bad usage, or a bad recipe or stack (exit 2)."""

    exit_code = 2


class ResolveError(WheelhouseError):
    """No set of versions, or no file for the target, fits (exit 3)."""

    exit_code = 3


class SourceUnreachableError(WheelhouseError):
    """An origin did not answer, or not with what was asked for (exit 4)."""

    exit_code = 4


class IntegrityError(WheelhouseError):
    """A hash, a size or a signature does not match (exit 5)."""

    exit_code = 5


class BuildError(WheelhouseError):
    """A build from source failed (exit 6)."""

    exit_code = 6


class AuditError(WheelhouseError):
    """The audit found a defect (exit 7)."""

    exit_code = 7


class IncompleteError(WheelhouseError):
    """The wheelhouse lacks a component, under `--strict` (exit 8)."""

    exit_code = 8


class VerifyError(WheelhouseError):
    """A probe or the server check failed (exit 9)."""

    exit_code = 9


class HostUnfitError(WheelhouseError):
    """This host cannot do what was asked: a tool, a right or a device is missing (exit 10)."""

    exit_code = 10


class FileTroubleError(HostUnfitError):
    """The system refused a file or folder, for a reason that no part of this tool foresaw."""


def file_trouble(error: OSError) -> FileTroubleError | UnexpectedError:
    """Return the error that tells which file the system refused and why, or that of a fault where it was no file."""
    if error.filename is None and error.errno not in _OF_A_DISK:
        return unexpected(error)
    place = str(error.filename or "A file on a disk")
    shown = place if len(place) <= _LONGEST_NAME else f"{place[:_LONGEST_NAME]}..."
    return FileTroubleError(
        f"{shown}: {error.strerror or error}.",
        why="A path was mistyped, something else lies there, or the file system does not allow it.",
        next_step="correct the path or what lies there, then the same command again; what was finished is kept",
    )


class UnexpectedError(WheelhouseError):
    """A fault of this tool itself: nothing that a user should cause (exit 70, `EX_SOFTWARE` of sysexits.h)."""

    exit_code = 70


def unexpected(error: Exception) -> UnexpectedError:
    """Return the error that tells of a fault of this tool, its traceback kept in a file for the report."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if __package__ in frame.filename] or frames
    place = f"{Path(own[-1].filename).name}:{own[-1].lineno}" if own else "an unknown place"
    with tempfile.NamedTemporaryFile(
        "w", prefix="ascend-wheelhouse-fault-", suffix=".txt", delete=False
    ) as file:
        file.writelines(traceback.format_exception(error))
    return UnexpectedError(
        f"This tool failed in a way that it should not: {type(error).__name__}: {error} (at {place}).",
        why="It is a fault of the tool, or of a file that it reads back; what was finished before is kept.",
        next_step=f"report it with {file.name} and the command; `invoke recipes` and `invoke doctor` check inputs",
    )
