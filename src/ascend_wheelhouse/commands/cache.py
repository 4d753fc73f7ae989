"""`invoke cache`: what the store and the shared caches hold, and what of it nothing names any more.

A kept tree and the folder of a failed build are named by nothing; pruning leaves the newest of each component. What was
laid out from files of the store goes when it was not used for long.
"""

from __future__ import annotations

import re
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ascend_wheelhouse import console
from ascend_wheelhouse.base.clock import SystemClock
from ascend_wheelhouse.base.errors import UsageError, WheelhouseError
from ascend_wheelhouse.base.events import Emit, Note
from ascend_wheelhouse.base.packaged import lockfiles_of
from ascend_wheelhouse.build.laid_out import failed_builds, laid_out, prune_failed, prune_laid_out
from ascend_wheelhouse.build.trees import held_trees, prune_trees, tree_rows
from ascend_wheelhouse.console import words as forms
from ascend_wheelhouse.console.tree_view import show_trees
from ascend_wheelhouse.shared_cache.choice import CacheChoice
from ascend_wheelhouse.shared_cache.in_use import in_use, named, require_locks
from ascend_wheelhouse.shared_cache.retention import Retention
from ascend_wheelhouse.store.store import Store

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_SIZE = re.compile(r"(?P<count>[0-9]{1,15})(?P<unit>[KMGT]?)")


class BadRetentionError(UsageError):
    """`--keep` or `--max-size` says nothing that can be meant."""


class RetentionOfNothingError(UsageError):
    """`--keep` or `--max-size` is given, and no shared cache is pruned by it."""


@dataclass(frozen=True, kw_only=True)
class CacheOptions:
    """What `invoke cache` was asked for.

    Args:
        root: The project folder, whose locks say what is still needed.
        prune: Remove what no lock names and nobody imported, and all but the newest kept tree of each component.
        shared: The shared caches.
        prune_shared: `--prune` is for these in place of the store: they were named by an option.
        retention: What stays on them beside what locks name.
        locks: Further folders of locks that name what stays.
        json: Print one JSON document.
    """

    root: Path
    prune: bool = False
    shared: CacheChoice = field(default_factory=CacheChoice)
    prune_shared: bool = False
    retention: Retention
    locks: tuple[Path, ...] = ()
    json: bool = False


def retention(keep: str, max_size: str) -> Retention:
    """Return what `--keep` and `--max-size` say.

    Raises:
        BadRetentionError: One of them is no number of days, or no size.
    """
    days = re.fullmatch(r"[0-9]{1,5}", keep or "90")
    size = _SIZE.fullmatch(max_size or "0")
    if days is None or size is None:
        option, value = ("--keep", keep) if days is None else ("--max-size", max_size)
        form = "a number of days" if days is None else "a size"
        raise BadRetentionError(f"{option} {value!r} is not {form}.", next_step="--keep 90 --max-size 500G")
    most = int(size["count"]) * _UNITS[size["unit"]] if max_size else None
    return Retention(seconds=int(days[0]) * 86400.0, most_bytes=most)


def require_pruning(keep: str, max_size: str, *, prune: bool, named: bool) -> None:
    """Refuse what says how much of a shared cache stays where none is pruned: the store would be, and wholly.

    Raises:
        RetentionOfNothingError: `--prune` or `--cache` is missing.
    """
    if not (keep or max_size) or (prune and named):
        return
    given = "--keep" if keep else "--max-size"
    size = f" --max-size {max_size}" if max_size else ""
    raise RetentionOfNothingError(
        f"{given} says how much of a shared cache stays, and no shared cache is pruned.",
        why="The store knows no such limits. A cache is pruned where --prune and --cache URL name it; "
        "WHEELHOUSE_CACHE alone does not.",
        next_step=f"invoke cache --prune --cache URL --keep {keep or 90}{size}",
    )


def main(options: CacheOptions) -> None:
    """Show or prune the store, and the shared caches."""
    store = Store()
    folders = [*lockfiles_of(options.root).folders, *map(require_locks, options.locks)]
    local = options.prune and not options.prune_shared
    garbage = sum(blob.size for blob in store.garbage(named(folders, store)))
    with console.reporter("json" if options.json else "auto", stream=sys.stderr) as emit:
        shared, failed_there = _shared(options, folders, store, emit)
        freed = _pruned(store, folders, emit) if local else 0
    usage, trees, made, failed = store.usage(), held_trees(store), laid_out(store), failed_builds(store)
    made_bytes, failed_bytes = (sum(one.held for one in rows) for rows in (made, failed))
    tree_bytes = sum(tree.held for tree in trees)
    if options.json:
        facts = {"store": str(store.root), "garbage_bytes": garbage, "freed_bytes": freed, "shared": shared}
        rows = [asdict(row) for row in tree_rows(trees)]
        facts |= {"laid_out": len(made), "laid_out_bytes": made_bytes}
        facts |= {"failed_builds": len(failed), "failed_bytes": failed_bytes}
        facts |= asdict(usage) | {"trees": len(trees), "tree_bytes": tree_bytes, "kept_trees": rows}
        console.print_json(facts)
        console.end_with(failed_there, json=True)
        return
    console.line(f"{store.root}")
    partials = forms.counted(usage.partials, "partial")
    console.line(f"{forms.counted(usage.blobs, 'file')}, {forms.size(usage.blob_bytes)}; {partials}")
    if made:
        console.line(
            f"toolchains, build environments and objects of images: {len(made)}, {forms.size(made_bytes)}"
        )
    if failed:
        console.line(f"{forms.counted(len(failed), 'folder')} of failed builds, {forms.size(failed_bytes)}")
    if trees:
        console.line(f"{forms.counted(len(trees), 'kept tree')}, {forms.size(tree_bytes)}\n")
        show_trees(tree_rows(trees), SystemClock().wall())
        console.line()
    console.line(f"freed {forms.size(freed)}" if local else f"unnamed by any lock: {forms.size(garbage)}")
    for row in (one for one in shared if not one["error"]):
        _tell(row, pruned=options.prune and options.prune_shared)
    console.end_with(failed_there)


def _pruned(store: Store, folders: list[Path], emit: Emit) -> int:
    """Prune the store and return the bytes freed."""
    from ascend_wheelhouse.audit.kept_facts import prune_facts  # noqa: PLC0415 - to show the store takes no audit

    freed = store.prune(lambda: named(folders, store), emit)
    return (
        freed
        + prune_facts(store, emit)
        + prune_trees(store, emit)
        + prune_laid_out(store, emit)
        + prune_failed(store, emit)
    )


def _shared(
    options: CacheOptions, folders: list[Path], store: Store, emit: Emit
) -> tuple[list[dict[str, Any]], list[WheelhouseError]]:
    """Return what each shared cache holds, after it was pruned if that was asked for, and what failed of them.

    One that only the environment names is told and left out where it does not answer: the store is asked about.
    """
    if not options.shared.urls:
        return [], []
    from ascend_wheelhouse.shared_cache import upkeep  # noqa: PLC0415 - most stores have nothing behind them

    pruning = options.prune and options.prune_shared
    keep = in_use(folders, store) if pruning else None
    if pruning:
        upkeep.require_caches(options.shared.urls)
    rows, errors = [], list[WheelhouseError]()
    for url in options.shared.urls:
        try:
            rows.append(upkeep.row(url, options.retention, keep))
        except WheelhouseError as error:
            if options.prune_shared and isinstance(error, UsageError):
                raise
            if options.prune_shared:
                rows.append(upkeep.failed_row(url, error))
                errors.append(error)
            else:
                emit(Note(text=f"WHEELHOUSE_CACHE: {error.what}", level="warning"))
    return rows, errors


def _tell(row: dict[str, Any], *, pruned: bool) -> None:
    console.line(f"\n{row['url']}")
    if row["files"] is None:
        console.line("a web server lists nothing")
        return
    held, results = forms.counted(row["files"], "file"), forms.counted(row["results"], "result")
    console.line(f"{held}, {forms.size(row['file_bytes'])}; {results}")
    if not row["files"] and not row["results"] and not row["removed_files"]:
        console.line("nobody has pushed there yet, or the URL is mistyped")
    if pruned:
        gone = forms.counted(row["removed_files"], "file")
        results = forms.counted(row["removed_results"], "result")
        console.line(f"removed {gone}, {forms.size(row['freed_bytes'])}, and {results}")
