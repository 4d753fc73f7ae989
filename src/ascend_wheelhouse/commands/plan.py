"""`invoke plan` and `invoke wheelhouse --dry-run`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from ascend_wheelhouse import console
from ascend_wheelhouse.commands.options import options_of
from ascend_wheelhouse.console.plan_view import Form, show
from ascend_wheelhouse.make.plan import plan
from ascend_wheelhouse.make.wheelhouse import cell_of
from ascend_wheelhouse.make.workspace import Workspace


def main(root: Path, *, words: Mapping[str, str], form: Form) -> None:
    """Print the plan of a wheelhouse."""
    with console.main_guard(json=form == "json", words=words):
        workspace = Workspace(root=root)
        cell = cell_of(workspace, options_of(words))
        lock = workspace.committed_lock(cell)
        output = Path(words["output"]) if words.get("output") else root / "wheelhouse"
        finished = (output / cell.name / "manifest.json").is_file()
        if cell.derived:
            sys.stderr.write(f"{cell.name} is derived: {cell.notes[0]}\n")
        show(plan(cell, lock, workspace.store.has, finished=finished), form)
