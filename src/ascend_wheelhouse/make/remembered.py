"""Making a wheelhouse and keeping what it was made from: the next run knows at once whether it still answers."""

from __future__ import annotations

from collections import Counter

from ascend_wheelhouse.audit.report import AuditReport
from ascend_wheelhouse.base.events import Emit
from ascend_wheelhouse.make import freshness
from ascend_wheelhouse.make.line import Line
from ascend_wheelhouse.make.made import Made
from ascend_wheelhouse.make.make import make
from ascend_wheelhouse.make.options import MakeOptions
from ascend_wheelhouse.make.project_folder import ProjectFolder
from ascend_wheelhouse.store.store import Store


def make_and_remember(
    options: MakeOptions,
    folder: ProjectFolder,
    *,
    store: Store,
    emit: Emit,
    given: str,
    line: Line | None = None,
) -> Made:
    """Make a wheelhouse as `make` does, and write its state file.

    Args:
        options: What is asked for.
        folder: Recipes, stacks and lock files, read after `given` was taken.
        store: Where cached bytes are.
        emit: Told of the progress.
        given: `freshness.given_digest`, taken before the folder was read.
        line: Shared with other runs.

    Raises:
        WheelhouseError: A step failed.
    """
    made = make(options, folder, store=store, emit=emit, line=line)
    freshness.remember(
        freshness.state_file(options.output, options.asked),
        folder=made.folder,
        lock_folder=folder.lock_folder(made.cell),
        inputs=freshness.inputs_digest(given, made.pinned),
        files=made.stamps,
        audit=None if made.report is None else counts_of(made.report),
    )
    return made


def counts_of(report: AuditReport) -> dict[str, int]:
    """Return how many findings of each severity an audit had."""
    found = Counter(one.severity for one in report.findings)
    return {severity: found[severity] for severity in ("error", "warning", "note")}
