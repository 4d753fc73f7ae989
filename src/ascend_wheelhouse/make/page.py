"""What a finished wheelhouse shows of itself: the audit's findings, and a page for a browser."""

from __future__ import annotations

from pathlib import Path

from ascend_wheelhouse.audit.report import AuditReport
from ascend_wheelhouse.folder.manifest import Manifest


def prepare_page() -> None:
    """Have at hand what the page is made with, while there is nothing else to do."""
    from ascend_wheelhouse.pages import wheelhouse

    wheelhouse.prepare()


def with_page(part: Path, manifest: Manifest, report: AuditReport | None) -> Manifest:
    """Write what the audit found, and the page that shows the wheelhouse, into the folder."""
    from ascend_wheelhouse.folder.contents import added
    from ascend_wheelhouse.pages import audit_file, wheelhouse
    from ascend_wheelhouse.pages.view import read_view

    if report is not None:
        manifest = added(part, manifest, audit_file.NAME, audit_file.written(report.as_dict()), "audit")
    text = wheelhouse.page(read_view(part))
    return added(part, manifest, wheelhouse.NAME, text.encode(), "page")
