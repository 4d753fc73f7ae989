"""A wheelhouse that was made."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ascend_wheelhouse.audit.report import AuditReport
from ascend_wheelhouse.cells.cell import Cell
from ascend_wheelhouse.folder.manifest import Manifest
from ascend_wheelhouse.locks.lock import Lock
from ascend_wheelhouse.make import freshness


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
