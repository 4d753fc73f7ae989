"""The last step of a wheelhouse: laid out beside its place, audited there, and swapped in when it is good."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ascend_wheelhouse.base.events import Emit, Stage
from ascend_wheelhouse.base.timed import timed
from ascend_wheelhouse.cells.cell import Cell
from ascend_wheelhouse.locks.lock import Lock
from ascend_wheelhouse.make import freshness
from ascend_wheelhouse.make.audited import audited
from ascend_wheelhouse.make.made import Made
from ascend_wheelhouse.make.page import with_page
from ascend_wheelhouse.make.project_folder import ProjectFolder
from ascend_wheelhouse.store.store import Store

if TYPE_CHECKING:
    from ascend_wheelhouse.folder.contents import Facts


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
        report = audited(part, cell, folder, store, emit) if audit else None
        with timed(emit, "lay out", "page"):
            manifest = with_page(part, manifest, report)
        stamps = freshness.stamps(part)
    return Made(
        folder=final, manifest=manifest, lock=lock, cell=cell, pinned=pinned, stamps=stamps, report=report
    )
