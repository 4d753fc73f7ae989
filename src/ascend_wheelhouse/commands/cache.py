"""`invoke cache`: what the store holds, and what of it nothing names any more."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from ascend_wheelhouse import console
from ascend_wheelhouse.base import whole_file
from ascend_wheelhouse.base.packaged import lockfiles_of
from ascend_wheelhouse.console import words as forms
from ascend_wheelhouse.folder import carried
from ascend_wheelhouse.locks import lock, pylock
from ascend_wheelhouse.locks.toolchain_lock import every_toolchain
from ascend_wheelhouse.store.store import Store
from ascend_wheelhouse.store.vendored import list_vendored


@dataclass(frozen=True, kw_only=True)
class CacheOptions:
    """What `invoke cache` was asked for.

    Args:
        root: The project folder, whose locks say what is still needed.
        prune: Remove what no lock names and nobody imported.
        json: Print one JSON document.
    """

    root: Path
    prune: bool = False
    json: bool = False


def main(options: CacheOptions) -> None:
    """Show or prune the store."""
    store = Store()
    garbage = sum(blob.size for blob in store.garbage(_named(options.root, store)))
    with console.reporter("json" if options.json else "auto", stream=sys.stderr) as emit:
        freed = store.prune(lambda: _named(options.root, store), emit) if options.prune else 0
    usage = store.usage()
    if options.json:
        facts = {"store": str(store.root), "garbage_bytes": garbage, "freed_bytes": freed}
        console.print_json(facts | asdict(usage))
        return
    console.line(f"{store.root}")
    console.line(f"{usage.blobs} files, {forms.size(usage.blob_bytes)}; {usage.partials} partials")
    told = f"freed {forms.size(freed)}" if options.prune else f"unnamed by any lock: {forms.size(garbage)}"
    console.line(told)


def _named(root: Path, store: Store) -> set[str]:
    """Digests that committed locks and imported files name."""
    named = {record.sha256 for record in list_vendored(store)}
    named |= {file.sha256 for one in every_toolchain(lockfiles_of(root)) for file in one.files}
    for folder in lockfiles_of(root).every("*/"):
        with whole_file.reading(folder):
            for path in folder.glob("pylock.*.toml"):
                named |= {file.sha256 for file in pylock.load_pylock(path).files}
            for path in folder.glob("payloads.*.toml"):
                named |= {one.sha256 for one in lock.payloads_in(folder, path.name.split(".")[1])}
            for path in folder.glob("sources.*.toml"):
                for source in lock.sources_in(folder, path.name.split(".")[1]):
                    held = (file.artifact for file in carried.source_files(source, store))
                    named |= {artifact.sha256 for artifact in held if artifact}
    return named
