"""Whether an application has the extras that are asked of it, where its source is in the store already.

The lock of a new extra is not made yet; that of the same cell without extras names the source of the same release.
"""

from __future__ import annotations

from dataclasses import replace

from ascend_wheelhouse.base.errors import IntegrityError
from ascend_wheelhouse.build.command import spec_of
from ascend_wheelhouse.build.job import Archive, Sources
from ascend_wheelhouse.cells.cell import Cell
from ascend_wheelhouse.locks.lock import BadLockError
from ascend_wheelhouse.locks.lock_recipes import ForeignLockError
from ascend_wheelhouse.locks.pylock_model import InvalidPylockError
from ascend_wheelhouse.make.project_folder import ProjectFolder
from ascend_wheelhouse.pin.needs import needs_of
from ascend_wheelhouse.pin.source_text import project_files
from ascend_wheelhouse.store.store import Store


def has_extras(cell: Cell, folder: ProjectFolder, store: Store) -> bool:
    """Tell whether the source of the application says that it has the cell's extras; False where it is not here.

    Raises:
        UnknownExtraError: It has not.
        NoProjectFileError, BadProjectFileError: The source has no list that can be read.
    """
    recipe = folder.recipes[cell.application]
    tree = _source(cell, folder, store)
    if tree is None or recipe.build is None or recipe.build.project_file is None:
        return False
    place = spec_of(recipe, cell).subdirectory
    needs_of(recipe, cell, project_files(tree, store, place, recipe.build.project_file.files))
    return True


def _source(cell: Cell, folder: ProjectFolder, store: Store) -> Archive | None:
    """Return the application's source archive, as the lock of the cell without extras names it, if the store has it."""
    asked = {name for name in cell.extras if name in cell.optional}
    plain = {name: version for name, version in cell.components.items() if name not in asked}
    try:
        lock = folder.lock_before(replace(cell, components=plain, extras=()))
    except (BadLockError, InvalidPylockError, ForeignLockError):
        return None
    for source in lock.sources if lock else ():
        if (source.component, source.version) == (cell.application, cell.components[cell.application]):
            tree = Sources.from_dict(source.build).tree
            return tree if isinstance(tree, Archive) and _is_here(tree, store) else None
    return None


def _is_here(tree: Archive, store: Store) -> bool:
    try:
        store.check(tree.sha256)
    except IntegrityError:
        return False
    return True
