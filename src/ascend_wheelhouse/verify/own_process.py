"""A verification in a process of its own, as `nox -s verify` starts it: its lines are events, and a kill ends it whole.

All that it installs and writes on the way lies in one temporary folder, removed at the end, or by the next run where
this one was killed.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from ascend_wheelhouse.base.errors import VerifyError
from ascend_wheelhouse.base.events import Emit, JobFinished, JobProgress, JobStarted
from ascend_wheelhouse.base.process import run_logged
from ascend_wheelhouse.node.scratch import scratch
from ascend_wheelhouse.node.verify.report import Report, read_report, tally

JOB = "verify"
REPORT = "report.json"
PREFIX = "av-beside-"
_TAIL = 2000


class EndedWithoutReportError(VerifyError):
    """A verification ended without a report."""


def verify_apart(wheelhouse: Path, reports: Path, store: Path, emit: Emit) -> Report:
    """Verify a wheelhouse and return the report, which is in `reports` with its page.

    Args:
        wheelhouse: Its folder.
        reports: Where the reports go; an earlier `report.json` there is removed first.
        store: The root of the store, for system roots of emulation.
        emit: Told of every line as it comes.

    Raises:
        EndedWithoutReportError: The verification ended without one.
    """
    emit(JobStarted(job=JOB, action="verify"))
    (reports / REPORT).unlink(missing_ok=True)
    words = ["--wheelhouse", str(wheelhouse), "--report", str(reports)]
    with scratch(prefix=PREFIX) as work:
        env = {**os.environ, "WHEELHOUSE_STORE": str(store), "TMPDIR": str(work), "PYTHONUNBUFFERED": "1"}
        log = work / "log"
        command = [sys.executable, "-P", "-m", "ascend_wheelhouse.verify", *words]
        status = run_logged(command, log=log, on_line=lambda line: _say(line, emit), env=env)
        said = log.read_text(errors="replace")[-_TAIL:]
    try:
        report = read_report(reports / REPORT)
    except (OSError, ValueError) as error:
        emit(JobFinished(job=JOB, outcome="failed", detail=f"ended with status {status}"))
        raise EndedWithoutReportError(
            f"The verification of {wheelhouse.name} ended with status {status} and without a report.",
            why=said.strip() or "It said nothing: it may have been killed.",
            next_step=f"nox -s verify -- --wheelhouse wheelhouse/{wheelhouse.name}  # with a copy of it on that host",
        ) from error
    if report.exit_code:
        emit(JobFinished(job=JOB, outcome="failed", detail=tally(report.counts)))
    else:
        emit(JobFinished(job=JOB, outcome="done", detail=report.headline))
    return report


def _say(line: str, emit: Emit) -> None:
    if line.strip():
        emit(JobProgress(job=JOB, line=line))
