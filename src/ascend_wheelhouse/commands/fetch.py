"""`invoke fetch`: the locked files into the store, and nothing else."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from ascend_wheelhouse import console
from ascend_wheelhouse.commands.options import options_of
from ascend_wheelhouse.console import words as forms
from ascend_wheelhouse.make.source_wheels import source_downloads
from ascend_wheelhouse.make.wheelhouse import bring_sources, cell_of, downloads_of, fetch, lock_of
from ascend_wheelhouse.make.workspace import Workspace


def main(root: Path, *, words: Mapping[str, str], offline: bool, json: bool) -> None:
    """Fetch everything that the lock of a cell names."""
    with console.main_guard(json=json):
        options = options_of(words)
        with console.reporter("json" if json else "auto", stream=sys.stderr) as emit:
            workspace = Workspace(root=root, emit=emit, offline=offline)
            with workspace.store.in_use(emit):
                cell = cell_of(workspace, options)
                lock = lock_of(workspace, cell, options)
                every = {one.sha256: one for one in (*source_downloads(lock), *downloads_of(lock))}
                wanted = list(every.values())
                fetch(workspace, wanted)
                bring_sources(workspace, cell, lock)
        size = sum(each.size or 0 for each in wanted)
        if json:
            console.print_json({"files": len(wanted), "bytes": size, "store": str(workspace.store.root)})
        else:
            console.line(f"{len(wanted)} files, {forms.size(size)}, are in the store")
