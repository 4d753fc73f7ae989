"""`invoke cache`: what the store holds, and what of it nothing names any more."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path

from ascend_wheelhouse import console
from ascend_wheelhouse.base import whole_file
from ascend_wheelhouse.console import words as forms
from ascend_wheelhouse.folder import carried
from ascend_wheelhouse.locks import lock, pylock
from ascend_wheelhouse.store.store import Store
from ascend_wheelhouse.store.vendored import list_vendored


def main(root: Path, *, json: bool, prune: bool) -> None:
    """Show or prune the store."""
    with console.main_guard(json=json):
        store = Store()
        garbage = sum(blob.size for blob in store.garbage(_named(root, store)))
        with console.reporter("json" if json else "auto", stream=sys.stderr) as emit:
            freed = store.prune(lambda: _named(root, store), emit) if prune else 0
        usage = store.usage()
        if json:
            facts = {"store": str(store.root), "garbage_bytes": garbage, "freed_bytes": freed}
            console.print_json(facts | asdict(usage))
            return
        console.line(f"{store.root}")
        console.line(f"{usage.blobs} files, {forms.size(usage.blob_bytes)}; {usage.partials} partials")
        console.line(f"freed {forms.size(freed)}" if prune else f"unnamed by any lock: {forms.size(garbage)}")


def _named(root: Path, store: Store) -> set[str]:
    """Digests that committed locks and hand-overs name."""
    named = {record.sha256 for record in list_vendored(store)}
    for folder in (root / "lockfiles").glob("*/"):
        with whole_file.reading(folder):
            for path in folder.glob("pylock.*.toml"):
                named |= {file.sha256 for file in pylock.load_pylock(path).files}
            for path in folder.glob("sources.*.toml"):
                for source in lock.sources_in(folder, path.name.split(".")[1]):
                    named |= {file.sha256 for file in carried.source_files(source, store)}
    return named
