"""Where a report goes: tried before the first probe, and empty from then on until the run has ended.

An hour of probes is not lost to a mistyped path, and nobody takes the report of last week for that of a run that was
cut short.
"""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

from ..errors import HostUnfitError


class ReportPlaceError(HostUnfitError):
    """There is no place for the report of a verification."""


def require_writable(folder: Path) -> None:
    """Make a folder and write a file in it that is gone again.

    Raises:
        ReportPlaceError: It cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".report-"):
            pass
    except OSError as error:
        raise ReportPlaceError(
            f"No report can be written to {folder}: {error.strerror}.",
            why="No probe has run. Beside an environment its owner alone may write.",
            next_step="the same command with --report and a folder that you may write to",
        ) from error


def remove_earlier(*reports: Path) -> None:
    """Remove the reports that an earlier run left at some places; a folder there is told when it is written over.

    Raises:
        OSError: One cannot be removed.
    """
    for report in reports:
        with contextlib.suppress(FileNotFoundError, IsADirectoryError):
            report.unlink()
