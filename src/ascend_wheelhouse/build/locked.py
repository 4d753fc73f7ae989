"""Between the lock and a build: what a locked source starts from, and what the lock keeps of its wheel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ascend_wheelhouse.base.errors import UsageError
from ascend_wheelhouse.build.command import Workshop, build_component
from ascend_wheelhouse.build.job import Archive, Patch, Sources
from ascend_wheelhouse.build.outcome import BuiltWheel, PendingBuild
from ascend_wheelhouse.build.source_tree import archive_epoch
from ascend_wheelhouse.cells.cell import Cell
from ascend_wheelhouse.cells.recipe import Recipe
from ascend_wheelhouse.locks.lock import LockedSource, Pending
from ascend_wheelhouse.locks.pylock import LockedFile
from ascend_wheelhouse.store.store import Store

UNSEALED = {"none": "without a sandbox", "network-namespace": "without a sandbox, only its network cut off"}


class PatchesChangedError(UsageError):
    """The patches of a component are not those that its lock names."""


def require_patches(locked: LockedSource, patches: Sequence[Patch], again: str) -> None:
    """Hold a recipe's patches to those that a lock names: the wheel that the lock knows was made with these.

    Args:
        locked: The source.
        patches: The recipe's patches for its release.
        again: The command that locks the patches there are now.

    Raises:
        PatchesChangedError: They are others.
    """
    wanted = {row["name"]: row["sha256"] for row in locked.build.get("patches", ())}
    there = {patch.name: patch.sha256 for patch in patches}
    if list(wanted.items()) == list(there.items()):
        return
    differing = sorted(name for name in wanted | there if wanted.get(name) != there.get(name))
    raise PatchesChangedError(
        f"The patches of {locked.component} are not those of the lock: {', '.join(differing) or 'their order'}.",
        why="A patch was added, changed or removed since the lock was made. The wheel that it knows has those of then.",
        next_step=again,
    )


def sources_of(
    locked: LockedSource,
    patches: tuple[Patch, ...],
    cell: Cell,
    *,
    store: Store,
    beside: Sequence[LockedFile] = (),
) -> Sources:
    """Return what a locked source starts from.

    Args:
        locked: The source.
        patches: The recipe's patches for its release.
        cell: The cell, for the command that an error proposes.
        store: Where its archive is.
        beside: Wheels built by the same lock that it needs: they come before those of its build environment.

    Raises:
        PatchesChangedError: The recipe's patches are not the lock's.
    """
    require_patches(locked, patches, f"invoke lock --upgrade {cell.words}")
    wheels = {one.name: one for one in (*locked.environment, *beside)}
    environment = sorted((one.artifact for one in wheels.values()), key=lambda file: file.filename)
    sources = replace(Sources.from_dict(locked.build, patches), environment=tuple(environment))
    if isinstance(sources.tree, Archive) and not sources.tree.epoch and store.has(sources.tree.sha256):
        # A lock of the first schema names the archive of a project file's component alone.
        tree = replace(sources.tree, epoch=archive_epoch(store.path(sources.tree.sha256)))
        return replace(sources, tree=tree)
    return sources


def build_locked(
    locked: LockedSource, recipe: Recipe, cell: Cell, sources: Sources, workshop: Workshop
) -> LockedFile | Pending:
    """Return the wheel of a locked source, built if need be, or why this host cannot build it.

    Args:
        locked: The source.
        recipe: Its recipe.
        cell: The cell.
        sources: What it starts from, all of it in the store; see `sources_of`.
        workshop: Where and how.

    Raises:
        BuildError: The build failed.
        IntegrityError: A source has other bytes than the lock says.
    """
    outcome = build_component(recipe, cell, sources, workshop)
    if isinstance(outcome, PendingBuild):
        return Pending(component=outcome.component, reason=outcome.reason, supply=outcome.supply)
    return built_file(outcome[0], recipe, locked.origin)


def built_file(wheel: BuiltWheel, recipe: Recipe, origin: str) -> LockedFile:
    """Return a built wheel as the lock keeps it; `origin` is its source's."""
    note = _history(wheel, pure=recipe.build is not None and recipe.build.pure)
    return LockedFile.of(wheel.artifact, component=recipe.name, origin=origin, note=note)


def _history(wheel: BuiltWheel, *, pure: bool) -> str:
    """Return where and with what a wheel was built, as the manifest tells it.

    A pure wheel is the same bytes from every sandbox, whatever the host, and so is what is told of it.
    """
    where = UNSEALED.get(wheel.sandbox, "" if pure else f"in {wheel.sandbox}")
    tools = ", ".join(text for _, text in sorted(wheel.toolchain.items()))
    told = f"built {where}" if pure else f"built {where} with {tools}"
    return "; ".join(part for part in (told if where else "", wheel.note) if part)
