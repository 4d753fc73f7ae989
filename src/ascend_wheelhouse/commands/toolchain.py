"""`invoke toolchain`: the compilers that the tool brings along, for this host and one kind of node."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ascend_wheelhouse import console
from ascend_wheelhouse.base.errors import ResolveError, UsageError, WheelhouseError
from ascend_wheelhouse.base.events import Emit
from ascend_wheelhouse.base.packaged import lockfiles_of, recipes_of
from ascend_wheelhouse.build.target_root import TargetRoot, lay_root
from ascend_wheelhouse.cells.target import Target
from ascend_wheelhouse.cells.toolchains import ToolchainFor, ToolchainRecipe, read_toolchains
from ascend_wheelhouse.locks.toolchain_lock import PARTS, ToolchainLock, read_toolchain, write_toolchain
from ascend_wheelhouse.origins.http import Http
from ascend_wheelhouse.pin.toolchains import ToolchainFetcher, lock_toolchain, require_python, sysroot_of
from ascend_wheelhouse.store.store import Store


class UnknownToolchainError(UsageError):
    """No recipe of a toolchain has that name."""


class ToolchainNotLockedError(UsageError):
    """A toolchain has no lock for this kind of builder and node."""


@dataclass(frozen=True, kw_only=True)
class ToolchainOptions:
    """What `invoke toolchain` was asked for.

    Args:
        root: The project folder.
        name: Of the recipe; all that there are for these nodes when empty.
        target: The nodes.
        lock: Look the packages up anew and write the lock.
        offline: Use the store alone.
        json: Print one JSON document.
    """

    root: Path
    name: str
    target: Target
    lock: bool = False
    offline: bool = False
    json: bool = False


def main(options: ToolchainOptions) -> None:
    """Lock, fetch and lay out toolchains, and print what each is."""
    chosen = _there(_chosen(options), options)
    store = Store()
    with console.reporter("json" if options.json else "auto", stream=sys.stderr) as emit, store.in_use(emit):
        made = [_made(one, options, store, emit) for one in chosen]
    if options.json:
        console.print_json({"toolchains": [_row(one) for one in made]})
        return
    for one in made:
        lock, size = one.lock, sum(file.size for file in one.lock.files) >> 20
        floor = ".".join(map(str, one.glibc))
        console.line(f"{lock.name}: gcc {lock.gcc} for glibc {floor}, {len(lock.files)} packages, {size} MiB")
        console.line(str(one.folder))


def _chosen(options: ToolchainOptions) -> list[ToolchainRecipe]:
    known = read_toolchains(recipes_of(options.root))
    chosen = [one for one in known if options.name in {"", one.name}]
    if not chosen:
        names = ", ".join(one.name for one in known) or "none"
        raise UnknownToolchainError(
            f"There is no toolchain {options.name!r}.",
            why=f"recipes/toolchains holds {names}.",
            next_step="invoke toolchain",
        )
    return chosen


def _there(chosen: Sequence[ToolchainRecipe], options: ToolchainOptions) -> list[ToolchainFor]:
    """Return those that there are for these nodes; of several, the others are told of and left out."""
    there: list[ToolchainFor] = []
    faults: list[WheelhouseError] = []
    for recipe in chosen:
        wanted = ToolchainFor(recipe=recipe, host=os.uname().machine, target=options.target)
        try:
            require_python(wanted)
            sysroot_of(wanted)
            if not options.lock:
                _locked(wanted, options)
        except (ResolveError, ToolchainNotLockedError) as error:
            faults.append(error)
        else:
            there.append(wanted)
    if not there:
        raise faults[0]
    console.aside(*(f"left out: {error.what}" for error in faults))
    return there


def _locked(wanted: ToolchainFor, options: ToolchainOptions) -> ToolchainLock:
    lock = read_toolchain(lockfiles_of(options.root), wanted.name)
    if lock is None:
        raise ToolchainNotLockedError(
            f"The toolchain {wanted.name} is not locked.",
            next_step=f"{wanted.command} --lock",
        )
    return lock


def _made(wanted: ToolchainFor, options: ToolchainOptions, store: Store, emit: Emit) -> TargetRoot:
    lock = lock_toolchain(wanted, emit) if options.lock else _locked(wanted, options)
    ToolchainFetcher(store=store, http=Http(tell=emit), emit=emit, offline=options.offline).bring(lock)
    root = lay_root(lock, options.target.glibc, store)
    if options.lock:
        write_toolchain(lock, lockfiles_of(options.root).own)
    return root


def _row(root: TargetRoot) -> dict[str, object]:
    lock: ToolchainLock = root.lock
    return {
        "name": lock.name,
        "gcc": lock.gcc,
        "glibc": ".".join(map(str, root.glibc)),
        "host": lock.host,
        "machine": lock.machine,
        "digest": lock.digest,
        "packages": len(lock.files),
        "parts": {part: len(lock.of(part)) for part in PARTS},
        "size": sum(file.size for file in lock.files),
        "folder": str(root.folder),
    }
