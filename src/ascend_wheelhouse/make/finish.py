"""The last step of a wheelhouse: laid out beside its place, audited there, and swapped in when it is good."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ascend_wheelhouse.audit.report import AuditDefectsError, AuditReport
from ascend_wheelhouse.base.events import Emit, Stage
from ascend_wheelhouse.base.timed import timed
from ascend_wheelhouse.cells.cell import Cell
from ascend_wheelhouse.console.words import counted
from ascend_wheelhouse.folder.manifest import Manifest
from ascend_wheelhouse.locks.lock import Lock
from ascend_wheelhouse.make import freshness
from ascend_wheelhouse.make.project_folder import ProjectFolder
from ascend_wheelhouse.store.store import Store

if TYPE_CHECKING:
    from ascend_wheelhouse.folder.contents import Facts


@dataclass(frozen=True, kw_only=True)
class Made:
    """A finished wheelhouse.

    Args:
        folder: Its place.
        manifest: What it holds.
        lock: What it was made by.
        cell: What it is for.
        pinned: The digest of the lock's files, as that lock was read or written.
        stamps: What its files looked like before they took their place.
        report: What the audit found, where it was asked.
    """

    folder: Path
    manifest: Manifest
    lock: Lock
    cell: Cell
    pinned: str
    stamps: freshness.Stamps
    report: AuditReport | None = None


class DefectError(AuditDefectsError):
    """The audit found that the wheels do not fit together; `report` says where."""

    def __init__(self, name: str, report: AuditReport, lock: str) -> None:
        self.report = report
        defects = report.of("error")
        found = "; ".join(f"{one.subject}: {one.message}" for one in defects[:3])
        super().__init__(
            f"{name}: the audit found {counted(len(defects), 'defect')}, so it was not put in place: {found}",
            why="Wheels of this set do not fit together, or are not what they claim.",
            next_step=f"invoke audit --lock {lock}  # shows every finding, and what fixes it",
        )


def finish(
    final: Path,
    lock: Lock,
    cell: Cell,
    facts: Facts,
    *,
    folder: ProjectFolder,
    store: Store,
    emit: Emit,
    audit: bool,
    pinned: str,
) -> Made:
    """Put a wheelhouse together from the store and let it take its place.

    Args:
        final: Its place; what stands there stays until the new one is whole.
        lock: What it holds.
        cell: What it is for.
        facts: What its ready-made wheels say of themselves.
        folder: Recipes, and what the audit knows by them.
        store: Where the files are.
        emit: Told of the progress.
        audit: Whether to prove first that the wheels fit together.
        pinned: The digest of the lock's files.

    Raises:
        DefectError: They do not.
    """
    from ascend_wheelhouse.folder import assemble
    from ascend_wheelhouse.folder.contents import lay_out

    emit(Stage(name="assemble"))
    with assemble.replacing(final, emit) as part:
        with timed(emit, "lay out", "files, index, lock files, bill of materials"):
            manifest = lay_out(part, cell=cell, recipes=folder.recipes, lock=lock, store=store, facts=facts)
        report = _audited(part, cell, folder, store, emit) if audit else None
        with timed(emit, "lay out", "page"):
            manifest = _with_page(part, manifest, report)
        stamps = freshness.stamps(part)
    return Made(
        folder=final, manifest=manifest, lock=lock, cell=cell, pinned=pinned, stamps=stamps, report=report
    )


def _with_page(part: Path, manifest: Manifest, report: AuditReport | None) -> Manifest:
    """Write what the audit found, and the page that shows the wheelhouse, into the folder."""
    from ascend_wheelhouse.folder.contents import added
    from ascend_wheelhouse.pages import audit_file, wheelhouse
    from ascend_wheelhouse.pages.view import read_view

    if report is not None:
        manifest = added(part, manifest, audit_file.NAME, audit_file.written(report.as_dict()), "audit")
    text = wheelhouse.page(read_view(part))
    return added(part, manifest, wheelhouse.NAME, text.encode(), "page")


def _audited(part: Path, cell: Cell, folder: ProjectFolder, store: Store, emit: Emit) -> AuditReport:
    from ascend_wheelhouse.audit.command import audit_folder

    report = audit_folder(part, root=folder.root, store=store, emit=emit)
    if report.exit_code:
        lock = folder.lock_layers(cell).file(f"pylock.{cell.target.machine}.toml")
        raise DefectError(cell.name, report, os.path.relpath(lock))
    return report
