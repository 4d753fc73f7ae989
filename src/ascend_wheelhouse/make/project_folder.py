"""The project folder, its recipes and its lock files read once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ascend_wheelhouse.base.errors import WheelhouseError
from ascend_wheelhouse.base.layered import Layered
from ascend_wheelhouse.base.output_file import require_folder
from ascend_wheelhouse.base.packaged import lockfiles_of, recipes_of
from ascend_wheelhouse.cells.cell import Cell
from ascend_wheelhouse.cells.compatibility import Compatibility, load_compatibility
from ascend_wheelhouse.cells.recipe import Recipes
from ascend_wheelhouse.cells.stack import Catalogue, load_catalogue
from ascend_wheelhouse.locks.lock import Lock, LockedSource, load
from ascend_wheelhouse.locks.lock_cell import require_cell
from ascend_wheelhouse.locks.lock_recipes import require_recipes


@dataclass(frozen=True, kw_only=True)
class ProjectFolder:
    """What stands in a project folder.

    Args:
        root: The folder with `recipes/`, `lockfiles/` and `wheelhouse/`.
        catalogue: Every recipe and stack.
        table: The compatibility table.
    """

    root: Path
    catalogue: Catalogue
    table: Compatibility

    @classmethod
    def load(cls, root: Path) -> ProjectFolder:
        """Read a project folder.

        Raises:
            InvalidFilesError: Anything is wrong in any file; the report lists everything.
        """
        recipes = recipes_of(root)
        return cls(root=root, catalogue=load_catalogue(recipes), table=load_compatibility(recipes))

    @property
    def recipes(self) -> Recipes:
        """Every recipe by its name."""
        return self.catalogue.recipes

    def lock_folder(self, cell: Cell) -> Path:
        """Return `lockfiles/<stack-id>/` of a cell, into which a new lock is written."""
        return self.lock_layers(cell).own

    def require_lock_folder(self, cell: Cell) -> None:
        """Hold the folder of a new lock to one that can be written.

        Raises:
            OutputFolderError: It cannot.
        """
        require_folder(
            self.lock_folder(cell),
            why="The new lock of this cell is put there. Nothing was asked or fetched for it yet.",
            next_step="have its owner let you write there, or run it in a project folder of your own: "
            "`ascend-wheelhouse init --folder FOLDER` makes one",
        )

    def lock_layers(self, cell: Cell) -> Layered:
        """Return `lockfiles/<stack-id>/` of a cell: the project's own, and the packaged one below it."""
        return lockfiles_of(self.root).below(cell.stack_id)

    def committed_lock(self, cell: Cell) -> Lock | None:
        """Return the lock that stands in `lockfiles/` for a cell, if any.

        Raises:
            BadLockError, InvalidPylockError: A file of it cannot be read.
            ForeignLockError: It does not go with the recipes.
            StaleLockError: It was made for another cell than the stack describes now.
        """
        lock = self.lock_before(cell)
        return None if lock is None else require_cell(lock, cell)

    def lock_before(self, cell: Cell) -> Lock | None:
        """Return the lock that a new one of a cell replaces, whatever its stack was when it was made.

        Raises:
            BadLockError, InvalidPylockError: A file of it cannot be read.
            ForeignLockError: It does not go with the recipes.
        """
        lock = load(self.lock_layers(cell), cell)
        return None if lock is None else require_recipes(lock, self.recipes)

    def proven_before(self, built: Lock, cell: Cell) -> dict[str, LockedSource]:
        """Return the sources of a new lock whose wheel the lock before it knows as bit-equal, with that, by component.

        Where the lock before it cannot be read, nothing is known.
        """
        from ascend_wheelhouse.build.proven import proven

        try:
            before = self.lock_before(cell)
        except WheelhouseError:
            return {}
        return proven(built.sources, before.sources) if before else {}
