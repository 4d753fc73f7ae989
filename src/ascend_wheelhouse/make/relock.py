"""Whether a committed lock is still what its project folder would lock, and the command that makes it so."""

from __future__ import annotations

import shlex

from ascend_wheelhouse.base.packaged import recipes_of
from ascend_wheelhouse.build.build_table import require_table
from ascend_wheelhouse.build.locked import require_patches
from ascend_wheelhouse.build.patches import patches_for
from ascend_wheelhouse.cells.cell import Cell
from ascend_wheelhouse.locks.lock import Lock
from ascend_wheelhouse.make.project_folder import ProjectFolder


def again(cell: Cell, lock: Lock) -> str:
    """Return the command that locks a cell anew, and asks the index as of the day that its lock knows, if any."""
    day = shlex.quote(lock.inputs.exclude_newer.removesuffix("T00:00:00+00:00"))
    if not lock.inputs.exclude_newer:
        return f"invoke lock --upgrade {cell.words}"
    return f"invoke lock --upgrade --exclude-newer {day} {cell.words}"


def hold_to_recipes(lock: Lock, folder: ProjectFolder, cell: Cell) -> list[str]:
    """Hold the sources of a lock to their recipes; return a text for each whose patches are not there any more.

    Its wheel is taken as the lock knows it: a project folder that was brought here without them can do no better.

    Raises:
        BuildTableChangedError: The `[build]` table of one is not the one that the lock was made with.
        PatchesChangedError: A patch below `recipes/` is not in the lock, or is another one there. The wheel that the
            lock knows would be taken from the store without it.
        PatchFolderError, PatchTextError: Those there cannot be read.
    """
    patches = recipes_of(folder.root).below("patches")
    told = []
    for source in lock.sources:
        require_table(source, folder.recipes[source.component], cell, again(cell, lock))
        there = patches_for(patches, source.component, source.version)
        locked = {row["name"]: row["sha256"] for row in source.build.get("patches", ())}
        if any(locked.pop(patch.name, "") != patch.sha256 for patch in there):
            require_patches(source, there, again(cell, lock))
        if locked:
            names = ", ".join(sorted(locked))
            told.append(
                f"{source.component} is taken with the patches that its lock names and that are not here: {names}. "
                f"`{again(cell, lock)}` locks it without."
            )
    return told
