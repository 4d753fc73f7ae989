"""Every error that a user can cause: those of a node, and those that only the host can end with.

An error says three things: what happened, why that is likely, and what to type next. Its base and the codes that a
node can end with come from `node/errors.py`, which runs where the rest is not installed.
"""

from __future__ import annotations

import errno
import shlex
import shutil
import tempfile
import traceback
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from ascend_wheelhouse.base.full_disk import FULL, LOST
from ascend_wheelhouse.node.errors import (
    HostUnfitError,
    IntegrityError,
    UnexpectedError,
    UsageError,
    VerifyError,
    WheelhouseError,
)

_GRAVITY = (70, 5, 7, 9, 6, 10, 3, 2, 4, 8)
"""Exit codes, the gravest first: a fault of this tool, changed bytes, a defect, a verification, a build, this host,
versions, usage, an origin, something pending."""
_LONGEST_NAME = 300
_PROGRAM = Path(__file__).parents[1]
_OF_A_DISK = {errno.EROFS, errno.EMFILE, errno.ENFILE, errno.EFBIG}

__all__ = [
    "AuditError",
    "BuildError",
    "FileTroubleError",
    "FolderGoneError",
    "FullDiskError",
    "HostUnfitError",
    "IncompleteError",
    "IntegrityError",
    "MediumLostError",
    "ResolveError",
    "SourceUnreachableError",
    "UnexpectedError",
    "UpstreamMovedError",
    "UsageError",
    "VerifyError",
    "WheelhouseError",
    "file_trouble",
    "gravest",
    "unexpected",
]


class ResolveError(WheelhouseError):
    """No set of versions, or no file for the target, fits (exit 3)."""

    exit_code = 3


class SourceUnreachableError(WheelhouseError):
    """An origin did not answer, or not with what was asked for (exit 4)."""

    exit_code = 4


class BuildError(WheelhouseError):
    """A build from source failed (exit 6)."""

    exit_code = 6


class AuditError(WheelhouseError):
    """The audit found a defect (exit 7)."""

    exit_code = 7


class IncompleteError(WheelhouseError):
    """The wheelhouse lacks a component, under `--strict` (exit 8)."""

    exit_code = 8


class UpstreamMovedError(WheelhouseError):
    """Upstream has something new, under `invoke watch --exit-code` (exit 11)."""

    exit_code = 11


class FileTroubleError(HostUnfitError):
    """The system refused a file or folder, for a reason that no part of this tool foresaw."""


class FolderGoneError(FileTroubleError):
    """The folder that the command was started in was removed."""


class FullDiskError(FileTroubleError):
    """A disk that the command writes to is full."""


class MediumLostError(FileTroubleError):
    """A medium was taken out in the midst, or the driver or server of a file system is gone."""


def gravest(codes: Iterable[int]) -> int:
    """Return the exit code of a run of which several parts failed, each with its own; 0 where none did."""
    failed = {*codes} - {0}
    return min(failed, key=lambda code: _GRAVITY.index(code) if code in _GRAVITY else -1, default=0)


def file_trouble(error: OSError) -> FileTroubleError | UnexpectedError:
    """Return the error that tells which file the system refused and why, or that of a fault where it was no file."""
    if error.errno in FULL:
        return _full(error)
    if error.errno in LOST:
        return _lost(error)
    if error.errno == errno.ENOENT and error.filename is None and _is_gone():
        return FolderGoneError(
            "The current folder is not there any more.",
            why="It was removed, or another was put in its place, while this shell stood in it.",
            next_step="`cd` into a folder that is there, then the same command again",
        )
    if error.filename is None and error.errno not in _OF_A_DISK:
        return unexpected(error)
    place = str(error.filename or "A file on a disk")
    shown = place if len(place) <= _LONGEST_NAME else f"{place[:_LONGEST_NAME]}..."
    return FileTroubleError(
        f"{shown}: {error.strerror or error}.",
        why="A path was mistyped, something else lies there, or the file system does not allow it.",
        next_step="correct the path or what lies there, then the same command again; what was finished is kept",
    )


def _is_gone() -> bool:
    try:
        Path.cwd()
    except FileNotFoundError:
        return True
    return False


def _full(error: OSError) -> FullDiskError:
    """Return the error that names the disk: a copy that fails names what it reads first, and what it writes second."""
    place = error.filename2 or error.filename
    if place is None:
        return FullDiskError(
            f"A disk that this command writes to is full: {error.strerror}.",
            why="It is that of its output, of a temporary file or of the current folder. What was finished is kept.",
            next_step="`df -h` shows the disks; free space, then the same command again",
        )
    folder = next((one for one in Path(str(place)).absolute().parents if one.is_dir()), Path("/"))
    return FullDiskError(
        f"The disk of {place} is full: {error.strerror}.",
        why=f"{shutil.disk_usage(folder).free / 1e6:.1f} MB are free there. What was finished is kept.",
        next_step=f"`df -h {shlex.quote(str(folder))}` shows the disk; free space there, then the same command again",
    )


def _lost(error: OSError) -> MediumLostError:
    place = error.filename2 or error.filename
    look = f"`df {shlex.quote(str(place))}`" if place else "`df`"
    return MediumLostError(
        f"{place or 'A file on a disk'}: {error.strerror}.",
        why="The medium was taken out or is damaged, or the driver or server of its file system is gone.",
        next_step=f"mount it again ({look} says whether it answers), then the same command again; what was finished "
        "is kept",
    )


def unexpected(error: Exception) -> UnexpectedError:
    """Return the error that tells of a fault of this tool, its traceback kept in a file for the report."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if Path(frame.filename).is_relative_to(_PROGRAM)] or frames
    place = f"{Path(own[-1].filename).name}:{own[-1].lineno}" if own else "an unknown place"
    kept = _kept(error)
    return UnexpectedError(
        f"This tool failed in a way that it should not: {type(error).__name__}: {error} (at {place}).",
        why="It is a fault of the tool, or of a file that it reads back; what was finished before is kept.",
        next_step=f"report it with {kept} and the command; `invoke recipes` and `invoke doctor` check inputs",
    )


def _kept(error: Exception) -> str:
    """Keep the traceback in a file and return its name, or say that it could not be kept."""
    name = "this text (its traceback could not be kept)"
    with (
        suppress(OSError),
        tempfile.NamedTemporaryFile(
            "w", prefix="ascend-wheelhouse-fault-", suffix=".txt", delete=False
        ) as file,
    ):
        file.writelines(traceback.format_exception(error))
        name = file.name
    return name
