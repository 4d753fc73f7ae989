"""`invoke lock`: makes a lock, and says what changed and why."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from ascend_wheelhouse import console
from ascend_wheelhouse.commands.options import options_of
from ascend_wheelhouse.locks.lock_diff import Change, compare
from ascend_wheelhouse.make.wheelhouse import cell_of, lock_of
from ascend_wheelhouse.make.workspace import Workspace


def main(root: Path, *, words: Mapping[str, str], upgrade: bool, json: bool) -> None:
    """Make a lock where none is committed, or with `upgrade` a new one; print the difference."""
    with console.main_guard(json=json):
        options = options_of(words, upgrade=upgrade)
        with console.reporter("json" if json else "auto", stream=sys.stderr) as emit:
            workspace = Workspace(root=root, emit=emit)
            cell = cell_of(workspace, options)
            before = workspace.committed_lock(cell)
            with workspace.store.in_use(emit):
                after = lock_of(workspace, cell, options)
        changes = compare(before, after)
        folder = workspace.lock_folder(cell).relative_to(root)
        pending = [item.component for item in after.pending]
        if json:
            console.print_json(
                {"lock": str(folder), "changes": [asdict(c) for c in changes], "pending": pending}
            )
            return
        _show(changes)
        console.line(f"{folder}: {len(after.installed)} wheels locked for {after.platform}")
        if pending:
            console.line(f"pending: {', '.join(pending)}")


def _show(changes: list[Change]) -> None:
    if not changes:
        console.line("Nothing changed.")
        return
    rows = [[c.name, c.kind, c.before or "-", c.after or "-", c.reason] for c in changes]
    console.table(["name", "change", "before", "after", "why"], rows)
