"""The audit of a wheelhouse before it takes its place."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from ascend_wheelhouse.audit.report import AuditDefectsError, AuditReport
from ascend_wheelhouse.base.events import Emit
from ascend_wheelhouse.cells.cell import Cell
from ascend_wheelhouse.console.words import counted
from ascend_wheelhouse.make.project_folder import ProjectFolder
from ascend_wheelhouse.store.store import Store

_SHOWN = 10


class DefectError(AuditDefectsError):
    """The audit found that the wheels do not fit together; `report` says where."""

    def __init__(self, name: str, report: AuditReport, lock: str) -> None:
        self.report = report
        defects = report.of("error")
        shown = [f"{one.subject}: {one.message}" for one in defects[:_SHOWN]]
        found = "; ".join([*shown, *(["..."] if len(defects) > len(shown) else [])])
        super().__init__(
            f"{name}: the audit found {counted(len(defects), 'defect')}, so it was not put in place: {found}",
            why="Wheels of this set do not fit together, or are not what they claim.",
            next_step=f"invoke audit --lock {shlex.quote(lock)}  # shows every finding, and what fixes it",
        )


def audited(part: Path, cell: Cell, folder: ProjectFolder, store: Store, emit: Emit) -> AuditReport:
    """Return what the audit of a folder finds.

    Raises:
        DefectError: Its wheels do not fit together.
    """
    from ascend_wheelhouse.audit.command import audit_folder

    report = audit_folder(part, root=folder.root, store=store, emit=emit)
    if report.exit_code:
        lock = folder.lock_layers(cell).file(f"pylock.{cell.target.machine}.toml")
        raise DefectError(cell.name, report, os.path.relpath(lock))
    return report
