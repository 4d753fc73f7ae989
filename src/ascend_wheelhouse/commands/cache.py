"""`invoke cache`: what the store holds, and what of it nothing names any more."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from ascend_wheelhouse import carried, console, lock, pylock
from ascend_wheelhouse.console import words as forms
from ascend_wheelhouse.store import Store
from ascend_wheelhouse.vendored import list_vendored


def main(root: Path, *, json: bool, prune: bool) -> None:
    """Show or prune the store."""
    with console.main_guard(json=json):
        store = Store()
        keep = _named(root, store)
        garbage = sum(blob.size for blob in store.garbage(keep))
        freed = store.prune(keep) if prune else 0
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
    locks = (root / "lockfiles").glob("*/pylock.*.toml")
    named = {file.sha256 for path in locks for file in pylock.load_pylock(path).files}
    for path in (root / "lockfiles").glob("*/sources.*.toml"):
        for source in lock.sources_in(path.parent, path.name.split(".")[1]):
            named |= {file.sha256 for file in carried.source_files(source, store)}
    for path in (root / "lockfiles").glob("*/payloads.*.toml"):
        named |= {file.sha256 for file in lock.payloads_in(path.parent, path.name.split(".")[1])}
    return named | {record.sha256 for record in list_vendored(store)}
