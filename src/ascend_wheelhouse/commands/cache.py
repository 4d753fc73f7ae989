"""`invoke cache`: what the store holds, and what of it nothing names any more."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from ascend_wheelhouse import console
from ascend_wheelhouse.console import words as forms
from ascend_wheelhouse.folder import carried
from ascend_wheelhouse.locks import lock, pylock
from ascend_wheelhouse.store.store import Store
from ascend_wheelhouse.store.vendored import list_vendored


@dataclass(frozen=True, kw_only=True)
class CacheOptions:
    """What `invoke cache` was asked for.

    Args:
        root: The project folder, whose locks say what is still needed.
        prune: Remove what no lock and no hand-over names.
        json: Print one JSON document.
    """

    root: Path
    prune: bool = False
    json: bool = False


def main(options: CacheOptions) -> None:
    """Show or prune the store."""
    store = Store()
    keep = _named(options.root, store)
    garbage = sum(blob.size for blob in store.garbage(keep))
    freed = store.prune(keep) if options.prune else 0
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
    """Digests that committed locks and hand-overs name."""
    locks = (root / "lockfiles").glob("*/pylock.*.toml")
    named = {file.sha256 for path in locks for file in pylock.load_pylock(path).files}
    for path in (root / "lockfiles").glob("*/sources.*.toml"):
        for source in lock.sources_in(path.parent, path.name.split(".")[1]):
            held = (file.artifact for file in carried.source_files(source, store))
            named |= {artifact.sha256 for artifact in held if artifact}
    return named | {record.sha256 for record in list_vendored(store)}
