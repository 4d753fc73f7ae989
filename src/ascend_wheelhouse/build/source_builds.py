"""Components that a recipe's `[build]` table makes: locked from their origin, built in the workshop, or pending.

The lock keeps what `build.job.Sources` holds; on a host whose store lacks a commit it is fetched again by that very
commit, and a tag that moved since is refused there.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from ascend_wheelhouse.base.errors import ResolveError, SourceUnreachableError, UsageError
from ascend_wheelhouse.build.command import Workshop, build_component, spec_of, unfit
from ascend_wheelhouse.build.job import Archive, Sources
from ascend_wheelhouse.build.outcome import BuiltWheel, PendingBuild
from ascend_wheelhouse.build.patches import patches_for
from ascend_wheelhouse.cells.cell import Cell
from ascend_wheelhouse.cells.recipe import Recipe, supply_of
from ascend_wheelhouse.locks.lock import LockedSource, Pending
from ascend_wheelhouse.locks.pylock import LockedFile
from ascend_wheelhouse.origins.git import pin
from ascend_wheelhouse.pin.locate import ToBuild
from ascend_wheelhouse.pin.source_locker import SourceLocker
from ascend_wheelhouse.store.git_source import GitSource, bundle_of

UNSEALED = "none"
_SHARED_WITH_RUNTIME = {"torch", "torch-npu"}


class PatchesChangedError(UsageError):
    """The patches of a component are not those that its lock names."""


@dataclass(frozen=True, kw_only=True)
class SourceBuilds:
    """Locks and builds the components of one cell that are made from source.

    Args:
        cell: The cell.
        locker: Pins sources; also brings back what a store lacks.
        offline: Ask no origin.
    """

    cell: Cell
    locker: SourceLocker
    offline: bool = False

    def lock(
        self,
        answer: ToBuild,
        fields: Mapping[str, str],
        runtime: Sequence[LockedFile] = (),
        *,
        built: Collection[str] = (),
    ) -> LockedSource | Pending:
        """Return the locked source of a component, or why it cannot be locked.

        Args:
            answer: The component and its origin.
            fields: What the origin's templates may name.
            runtime: The runtime's wheels, whose torch the build must use.
            built: Distributions that the same lock builds: they come into the build environment once they are built.
        """
        recipe = answer.recipe
        spec = spec_of(recipe, self.cell)
        asked = tuple(
            one for one in spec.requirements if canonicalize_name(Requirement(one).name) not in built
        )
        shared = [f"{one.name}=={one.version}" for one in runtime if one.name in _SHARED_WITH_RUNTIME]
        try:
            sources = self.locker.lock(
                recipe.name,
                answer.version,
                answer.origin,
                spec.model_copy(update={"requirements": asked}),
                self.cell.target,
                fields=fields,
                distribution=recipe.distribution,
                constraints=shared,
            )
        except (ResolveError, SourceUnreachableError) as error:
            supply = supply_of(recipe, self.cell, error.next_step)
            return Pending(component=recipe.name, reason=error.what, supply=supply)
        return self._locked(answer, sources)

    def _locked(self, answer: ToBuild, sources: Sources) -> LockedSource:
        tree, store = sources.tree, self.locker.store
        archive = store.artifact(tree.filename, tree.sha256) if isinstance(tree, Archive) else None
        return LockedSource(
            component=answer.recipe.name,
            version=answer.version,
            origin=answer.origin.kind,
            archive=archive,
            commit="" if archive else sources.commit,
            environment=tuple(map(LockedFile.of, sources.environment)),
            build=sources.as_dict(),
        )

    def sources(self, locked: LockedSource, beside: Sequence[LockedFile] = ()) -> Sources:
        """Return what a locked source starts from, every missing commit fetched again.

        Args:
            locked: The source.
            beside: Wheels built by the same lock that it needs: they come before those of its build environment.

        Raises:
            PatchesChangedError: The recipe's patches are not the lock's.
            RefMovedError: A tag or branch is no longer what was locked.
        """
        wheels = {one.name: one for one in (*locked.environment, *beside)}
        environment = sorted((one.artifact for one in wheels.values()), key=lambda file: file.filename)
        patches = patches_for(self.locker.patches, locked.component, locked.version)
        wanted = [(row["name"], row["sha256"]) for row in locked.build.get("patches", ())]
        if wanted != [(patch.name, patch.sha256) for patch in patches]:
            raise PatchesChangedError(
                f"The patches of {locked.component} are not those of the lock.",
                next_step=f"invoke lock --upgrade {self.cell.words}",
            )
        sources = replace(Sources.from_dict(locked.build, patches), environment=tuple(environment))
        if not self.offline:
            self._bring_commits(sources)
        return sources

    def bring(self, locked: LockedSource, recipe: Recipe) -> None:
        """Have a locked source's commits, and the files that its build would download, in the store.

        Raises:
            RefMovedError: A tag or branch is no longer what was locked.
            SourceUnreachableError: A server does not answer.
        """
        self._bring_commits(Sources.from_dict(locked.build))
        self.locker.downloads(spec_of(recipe, self.cell))

    def _bring_commits(self, sources: Sources) -> None:
        for tree in (sources.tree, *(item.source for item in sources.repositories)):
            if isinstance(tree, GitSource):
                self._bring(tree)

    def _bring(self, tree: GitSource) -> None:
        store = self.locker.store
        if any(bundle_of(store, module.commit) is None for module in tree.modules):
            pin(
                tree.top.url,
                tree.ref,
                store=store,
                mirrors=self.locker.mirrors,
                submodules=len(tree.modules) > 1,
                locked=tree.top.commit,
            )

    def build(
        self, locked: LockedSource, recipe: Recipe, workshop: Workshop, beside: Sequence[LockedFile] = ()
    ) -> LockedFile | Pending:
        """Return the wheel of a locked source, built if need be, or why this host cannot build it.

        Raises:
            BuildError: The build failed.
            IntegrityError: A source has other bytes than the lock says.
        """
        outcome: PendingBuild | list[BuiltWheel] | None = unfit(recipe, self.cell, workshop)
        if outcome is None:
            sources = self.sources(locked, beside)
            if not self.offline:
                self.locker.downloads(spec_of(recipe, self.cell))
            outcome = build_component(recipe, self.cell, sources, workshop)
        if isinstance(outcome, PendingBuild):
            return Pending(component=outcome.component, reason=outcome.reason, supply=outcome.supply)
        return built_file(outcome[0], recipe, locked.origin)


def built_file(wheel: BuiltWheel, recipe: Recipe, origin: str) -> LockedFile:
    """Return a built wheel as the lock keeps it; `origin` is its source's."""
    return LockedFile.of(wheel.artifact, component=recipe.name, origin=origin, note=_history(wheel))


def _history(wheel: BuiltWheel) -> str:
    """Return where and with what a wheel was built, as the manifest tells it."""
    room = "without a sandbox" if wheel.sandbox == UNSEALED else f"in {wheel.sandbox}"
    tools = ", ".join(text for _, text in sorted(wheel.toolchain.items()))
    return "; ".join(part for part in (f"built {room} with {tools}", wheel.note) if part)
