"""Where a run works and where its report goes, which is tried before the first probe and empty until the run has ended.

An hour of probes is not lost to a mistyped path, and nobody takes the report of last week for that of a run that was
cut short.
"""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

from ..errors import HostUnfitError
from ..host.fitness import no_program_runs
from ..last_line import FULL


class ReportPlaceError(HostUnfitError):
    """There is no place for the report of a verification."""


class NoProgramsHereError(HostUnfitError):
    """What probes compile could not be run where this run works."""


def require_programs(folder: Path) -> None:
    """Hold the folder of a run to a file system whose programs and libraries may run.

    Stand-in libraries, the launchers of triton's kernels and what CANN compiles lie there; refused, they would be told
    as faults of what is proven.

    Raises:
        NoProgramsHereError: It is mounted `noexec`, as `/tmp` is on hardened nodes.
    """
    if no_program_runs(folder):
        mounted = next(place for place in (folder, *folder.parents) if place.is_mount())
        raise NoProgramsHereError(
            f"No program may run below {mounted}, where this verification works.",
            why="Its file system is mounted with noexec. What probes compile would fail, and be told as a fault of the "
            "environment. No probe has run.",
            next_step="export TMPDIR=/var/tmp, or another folder that is not mounted so; then the same command",
        )


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
        why = "Beside an environment its owner alone may write."
        next_step = "the same command with --report and a folder that you may write to"
        if error.errno in FULL:
            why = "Bytes or inodes ran out there, or your quota did."
            next_step = "free space there, or the same command with --report and a folder on another disk"
        raise ReportPlaceError(
            f"No report can be written to {folder}: {error.strerror}.",
            why=f"No probe has run. {why}",
            next_step=next_step,
        ) from error


def remove_earlier(*reports: Path) -> None:
    """Remove the reports that an earlier run left at some places; a folder there is told when it is written over.

    Raises:
        OSError: One cannot be removed.
    """
    for report in reports:
        with contextlib.suppress(FileNotFoundError, IsADirectoryError):
            report.unlink()
