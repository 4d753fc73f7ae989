"""One project folder and everything that a command needs from it, read once and on demand.

What only locking and building need is imported where it is made: it takes as long as all else here, and a run with a
committed lock should have its downloads on their way by then.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ascend_wheelhouse.cell import Cell
from ascend_wheelhouse.compatibility import Compatibility, load_compatibility
from ascend_wheelhouse.derive import Request, cell_for
from ascend_wheelhouse.errors import ResolveError
from ascend_wheelhouse.events import Emit, silent
from ascend_wheelhouse.freshness import recipes_digest
from ascend_wheelhouse.locate import Locator
from ascend_wheelhouse.lock import Lock, load
from ascend_wheelhouse.lock import digest as lock_digest
from ascend_wheelhouse.lock_recipes import require_recipes
from ascend_wheelhouse.origins.http import Http
from ascend_wheelhouse.origins.index import Finder
from ascend_wheelhouse.origins.mirrors import Mirrors
from ascend_wheelhouse.stack import Catalogue, load_catalogue
from ascend_wheelhouse.store import Store
from ascend_wheelhouse.supply import handed_over, released

if TYPE_CHECKING:
    from ascend_wheelhouse.build.command import Workshop
    from ascend_wheelhouse.locking import Locking
    from ascend_wheelhouse.source_builds import SourceBuilds


@dataclass(frozen=True, kw_only=True)
class Workspace:
    """The project folder.

    Args:
        root: The folder with `recipes/`, `lockfiles/` and `wheelhouse/`.
        emit: Told of the progress.
        store: Where cached bytes are.
        offline: Ask no origin.
        sandbox: Seal builds from source.
        container: Build in this image; `recipe` for each recipe's own.
    """

    root: Path
    emit: Emit = silent
    store: Store = field(default_factory=Store)
    offline: bool = False
    sandbox: bool = True
    container: str = ""

    @cached_property
    def catalogue(self) -> Catalogue:
        """Every recipe and stack."""
        return load_catalogue(self.root / "recipes")

    @cached_property
    def table(self) -> Compatibility:
        """The compatibility table."""
        return load_compatibility(self.root / "recipes")

    @cached_property
    def http(self) -> Http:
        """The door to every origin."""
        return Http()

    @cached_property
    def recipes_digest(self) -> str:
        """Digest of the recipes folder."""
        return recipes_digest(self.root / "recipes")

    def cell(self, request: Request) -> Cell:
        """Return the cell of a request; see `derive.cell_for` for what it raises."""

        def versions(name: str) -> list[str]:
            try:
                return Finder(self.http).versions(name, request.target)
            except ResolveError:
                return []

        return cell_for(request, self.catalogue, self.table, versions)

    def lock_folder(self, cell: Cell) -> Path:
        """Return `lockfiles/<stack-id>/` of a cell."""
        return self.root / "lockfiles" / cell.stack_id

    def committed_lock(self, cell: Cell) -> Lock | None:
        """Return the lock that stands in `lockfiles/` for a cell, if any.

        Raises:
            BadLockError, InvalidPylockError: A file of it cannot be read.
            ForeignLockError: It does not go with the recipes.
        """
        lock = load(self.lock_folder(cell), cell)
        return None if lock is None else require_recipes(lock, self.catalogue.recipes)

    def lock_digest(self, lock: Lock, cell: Cell) -> str:
        """Return the digest of a lock's files."""
        return lock_digest(lock, cell.target)

    def locator(self, cell: Cell, build: frozenset[str] = frozenset(), *, offline: bool = False) -> Locator:
        """Return what asks the origins of a cell's components."""
        return Locator(
            cell=cell,
            recipes=self.catalogue.recipes,
            table=self.table,
            http=self.http,
            vendored=handed_over(self.store),
            release=released(self.store, self.http, self.emit),
            build=build,
            offline=offline,
            emit=self.emit,
        )

    def locking(self, cell: Cell, *, resolver: str, build: frozenset[str] = frozenset()) -> Locking:
        """Return what makes a new lock of a cell."""
        from ascend_wheelhouse.locking import Locking
        from ascend_wheelhouse.resolvers import resolver_named

        return Locking(
            cell=cell,
            recipes=self.catalogue.recipes,
            recipes_digest=self.recipes_digest,
            locator=self.locator(cell, build),
            resolver=resolver_named(resolver),
            http=self.http,
            store=self.store,
            emit=self.emit,
            builds=self.source_builds(cell, resolver=resolver),
        )

    def source_builds(self, cell: Cell, *, resolver: str = "uv") -> SourceBuilds:
        """Return what locks and builds the components of a cell that are made by a `[build]` table."""
        from ascend_wheelhouse.build.locking import SourceLocker
        from ascend_wheelhouse.resolvers import resolver_named
        from ascend_wheelhouse.source_builds import SourceBuilds

        locker = SourceLocker(
            store=self.store,
            emit=self.emit,
            http=self.http,
            mirrors=Mirrors.read(),
            resolver=resolver_named(resolver),
            patches=self.root / "recipes" / "patches",
        )
        return SourceBuilds(cell=cell, locker=locker, offline=self.offline)

    @property
    def workshop(self) -> Workshop:
        """Where components are built from source."""
        from ascend_wheelhouse.build.command import Workshop

        return Workshop(store=self.store, emit=self.emit, sandbox=self.sandbox, container=self.container)
