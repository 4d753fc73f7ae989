"""Components that are made from source: what they start from, pinned into the lock, and brought back from it.

The lock keeps what `build.job.Sources` holds; on a host whose store lacks a commit it is fetched again by that very
commit, and a tag that moved since is refused there. The building itself is in `build/`, which asks no server.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from ascend_wheelhouse.base.errors import ResolveError, SourceUnreachableError
from ascend_wheelhouse.build.build_table import KEY, remembered, require_table
from ascend_wheelhouse.build.command import spec_of
from ascend_wheelhouse.build.job import Archive, Sources
from ascend_wheelhouse.build.locked import sources_of
from ascend_wheelhouse.build.patches import patches_for
from ascend_wheelhouse.cells.cell import Cell
from ascend_wheelhouse.cells.project import ProjectFile
from ascend_wheelhouse.cells.recipe import Recipe, supply_of
from ascend_wheelhouse.locks.lock import LockedSource, Pending
from ascend_wheelhouse.locks.pylock import LockedFile
from ascend_wheelhouse.pin.archive_facts import epoch_of
from ascend_wheelhouse.pin.locate import ToBuild
from ascend_wheelhouse.pin.needs import needs_of
from ascend_wheelhouse.pin.source_locker import SourceLocker
from ascend_wheelhouse.pin.source_text import project_files
from ascend_wheelhouse.store.git_source import GitSource

_SHARED_WITH_RUNTIME = {"torch", "torch-npu"}


class PinOfflineError(SourceUnreachableError):
    """What a build starts from is to be pinned, and no origin may be asked."""


@dataclass(frozen=True, kw_only=True)
class PinnedTree:
    """A component's source in the store, and the project files that it holds, by name."""

    tree: GitSource | Archive
    held: Mapping[str, bytes]


@dataclass(frozen=True, kw_only=True)
class SourceBuilds:
    """Locks what the components of one cell are built from, and brings it into the store.

    Args:
        cell: The cell.
        locker: Pins sources; also brings back what a store lacks.
        offline: Ask no origin.
    """

    cell: Cell
    locker: SourceLocker
    offline: bool = False

    def tree(self, answer: ToBuild, fields: Mapping[str, str], table: ProjectFile) -> PinnedTree:
        """Return a component's source before anything else of it is pinned: it says what the runtime needs.

        Args:
            answer: The component and its origin.
            fields: What the origin's templates may name.
            table: Which project files are looked for in it.
        """
        tree, spec = self.source(answer, fields), spec_of(answer.recipe, self.cell)
        return PinnedTree(
            tree=tree, held=project_files(tree, self.locker.store, spec.subdirectory, table.files)
        )

    def source(self, answer: ToBuild, fields: Mapping[str, str]) -> GitSource | Archive:
        """Return a component's source itself, pinned and in the store.

        Raises:
            ResolveError, SourceUnreachableError: Its origin lacks it, or does not answer.
        """
        recipe = answer.recipe
        return self._imported(answer) or self.locker.tree(
            recipe.distribution or recipe.name, answer.version, answer.origin, self.cell.target, fields=fields
        )

    def needs(self, locked: LockedSource, recipe: Recipe) -> frozenset[str]:
        """Return what the project file of a locked source asks for at run time."""
        spec, tree = spec_of(recipe, self.cell), Sources.from_dict(locked.build).tree
        files = spec.project_file.files if spec.project_file else ()
        held = project_files(tree, self.locker.store, spec.subdirectory, files)
        return needs_of(recipe, self.cell, held).requirements

    def lock(
        self,
        answer: ToBuild,
        fields: Mapping[str, str],
        runtime: Sequence[LockedFile] = (),
        *,
        built: Collection[str] = (),
    ) -> LockedSource | Pending:
        """Return the locked source of a component, or why it cannot be locked; see `pin` for the arguments."""
        try:
            return self.pin(answer, fields, runtime, built=built)
        except (ResolveError, SourceUnreachableError) as error:
            supply = supply_of(answer.recipe, self.cell, error.next_step, fields)
            return Pending(component=answer.recipe.name, reason=error.what, supply=supply)

    def pin(
        self,
        answer: ToBuild,
        fields: Mapping[str, str],
        runtime: Sequence[LockedFile] = (),
        *,
        built: Collection[str] = (),
        tree: GitSource | Archive | None = None,
    ) -> LockedSource:
        """Return the locked source of a component.

        Args:
            answer: The component and its origin.
            fields: What the origin's templates may name.
            runtime: The runtime's wheels, whose torch the build must use.
            built: Distributions that the same lock builds: they come into the build environment once they are built.
            tree: The source itself, where it is pinned already.

        Raises:
            PinOfflineError: No origin may be asked.
            ResolveError, SourceUnreachableError: An origin lacks it, or does not answer.
        """
        recipe = answer.recipe
        if self.offline:
            raise PinOfflineError(
                f"no lock holds what {recipe.name} {answer.version} is built with, and --offline asks no index",
                why="Its build environment is resolved once, and stands in the lock from then on.",
                next_step="the same command without --offline, once",
            )
        spec = spec_of(recipe, self.cell)
        asked = tuple(
            one for one in spec.requirements if canonicalize_name(Requirement(one).name) not in built
        )
        shared = [f"{one.name}=={one.version}" for one in runtime if one.name in _SHARED_WITH_RUNTIME]
        sources = self.locker.lock(
            recipe.name,
            answer.version,
            answer.origin,
            spec.model_copy(update={"requirements": asked}),
            self.cell.target,
            fields=fields,
            distribution=recipe.distribution,
            constraints=shared,
            tree=tree or self._imported(answer),
        )
        return self._locked(answer, sources)

    def _imported(self, answer: ToBuild) -> Archive | None:
        """Return the archive that a person handed over, which the store has."""
        if (file := answer.archive) is None:
            return None
        epoch = epoch_of(self.locker.store, file.sha256)
        return Archive(filename=file.filename, sha256=file.sha256, epoch=epoch)

    def _locked(self, answer: ToBuild, sources: Sources) -> LockedSource:
        tree, store = sources.tree, self.locker.store
        archive = store.artifact(tree.filename, tree.sha256) if isinstance(tree, Archive) else None
        return LockedSource(
            component=answer.recipe.name,
            version=answer.version,
            origin="vendored" if answer.archive else answer.origin.kind,
            archive=archive,
            commit="" if archive else sources.commit,
            environment=tuple(map(LockedFile.of, sources.environment)),
            build=sources.as_dict() | {KEY: remembered(answer.recipe, self.cell)},
        )

    def sources(self, locked: LockedSource, recipe: Recipe, beside: Sequence[LockedFile] = ()) -> Sources:
        """Return what a locked source starts from, all of it in the store unless no origin may be asked.

        Args:
            locked: The source.
            recipe: Its recipe.
            beside: Wheels built by the same lock that it needs: they come before those of its build environment.

        Raises:
            BuildTableChangedError: The recipe asks for something else than the lock pins.
            PatchesChangedError: The recipe's patches are not the lock's.
            RefMovedError: A tag or branch is no longer what was locked.
            SourceUnreachableError: A server does not answer.
        """
        unbuilt = replace(locked, wheel=None)
        require_table(unbuilt, recipe, self.cell, f"invoke lock --upgrade {self.cell.words}")
        patches = patches_for(self.locker.patches, locked.component, locked.version)
        sources = sources_of(locked, patches, self.cell, store=self.locker.store, beside=beside)
        if not self.offline:
            self.bring(locked, recipe)
        return sources

    def bring(self, locked: LockedSource, recipe: Recipe) -> None:
        """Have a locked source's commits, and the files that its build would download, in the store.

        Raises:
            RefMovedError: A tag or branch is no longer what was locked.
            SourceUnreachableError: A server does not answer.
        """
        self.locker.bring(Sources.from_dict(locked.build))
        self.locker.downloads(spec_of(recipe, self.cell))
