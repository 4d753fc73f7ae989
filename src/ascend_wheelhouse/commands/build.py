"""`invoke build`: makes one component's wheel from source."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ascend_wheelhouse import console
from ascend_wheelhouse.base.artifact import as_row
from ascend_wheelhouse.base.errors import IncompleteError, ResolveError, SourceUnreachableError
from ascend_wheelhouse.base.events import Emit
from ascend_wheelhouse.base.output_file import OutputUnwritableError
from ascend_wheelhouse.base.whole_file import write_whole
from ascend_wheelhouse.build.build_table import require_table
from ascend_wheelhouse.build.command import Workshop, unfit
from ascend_wheelhouse.build.incremental import NotIncrementalError
from ascend_wheelhouse.build.outcome import INCREMENTAL_NOTE, PendingBuild, is_incremental
from ascend_wheelhouse.cells.cell import Cell, require_components
from ascend_wheelhouse.cells.recipe import GitOrigin, Recipe, SdistOrigin
from ascend_wheelhouse.cells.request import Request
from ascend_wheelhouse.farm.choice import FarmChoice
from ascend_wheelhouse.locks.lock import LockedSource, Pending
from ascend_wheelhouse.locks.pylock import LockedFile
from ascend_wheelhouse.locks.toolchain_lock import ToolchainLock
from ascend_wheelhouse.make.asked_cell import cell_of
from ascend_wheelhouse.make.building import Building, building_of
from ascend_wheelhouse.make.farming import farm_of
from ascend_wheelhouse.make.fetcher import Fetcher
from ascend_wheelhouse.make.locator import locator_of
from ascend_wheelhouse.make.lock_notes import tell_passed_over
from ascend_wheelhouse.make.options import BuildPlace
from ascend_wheelhouse.make.project_folder import ProjectFolder
from ascend_wheelhouse.make.source_files import files_of
from ascend_wheelhouse.make.source_wheels import build_one, hold_to_lock, is_pure
from ascend_wheelhouse.pages.profile import profiled
from ascend_wheelhouse.pin.locate import Answer, ToBuild
from ascend_wheelhouse.shared_cache.backed_store import store_with
from ascend_wheelhouse.shared_cache.choice import CacheChoice
from ascend_wheelhouse.store.store import Store

if TYPE_CHECKING:
    from ascend_wheelhouse.farm.farm import Farm


class NoSourceError(ResolveError):
    """No origin of a component has its source."""


class UnreachableSourceError(SourceUnreachableError):
    """The origin of a component's source does not answer."""


class BuildPendingError(IncompleteError):
    """The component cannot be built on this host."""


@dataclass(frozen=True, kw_only=True)
class BuildOptions:
    """What `invoke build` was asked for.

    Args:
        root: The project folder.
        component: The recipe's name.
        request: The cell that it is built for.
        build: Sandbox and image.
        out: A folder for the wheel under its own name; it stays in the store alone when None.
        offline: Use the store alone.
        cache: Shared caches.
        json: Print one JSON document.
        profile: The page for the times of the run, with a trace beside it.
        farm: Other hosts that build.
        incremental: Go on in the tree that the last such build kept.
    """

    root: Path
    component: str
    request: Request
    out: Path | None = None
    build: BuildPlace = field(default_factory=BuildPlace)
    offline: bool = False
    cache: CacheChoice = field(default_factory=CacheChoice)
    json: bool = False
    profile: Path | None = None
    farm: FarmChoice = field(default_factory=FarmChoice)
    incremental: bool = False


@dataclass(frozen=True, kw_only=True)
class ComponentBuild:
    """One component of a cell, to be built alone.

    Args:
        folder: Its recipe and its committed lock.
        building: How its cell is built.
        recipe: The component.
    """

    folder: ProjectFolder
    building: Building
    recipe: Recipe

    @property
    def cell(self) -> Cell:
        """The cell that it is built for."""
        return self.building.cell

    def locked(self) -> LockedSource:
        """Return the component's source, its archive and build environment in the store."""
        source = self._locked()
        self.building.fetcher.fetch(files_of([source]))
        return source

    def _locked(self) -> LockedSource:
        """Return the component's source from the committed lock, else from its origin now."""
        if source := self._from_lock():
            self._tell_passed_over(source)
            return source
        answer, fields = self._located()
        with self._telling(answer, fields):
            return self.building.source_builds().pin(answer, fields)

    def require_table(self, source: LockedSource) -> None:
        """Hold the recipe to the wheel that the lock knows, which a build by another table cannot give.

        Raises:
            BuildTableChangedError: The recipe has another `[build]` table than the lock was made with.
        """
        require_table(source, self.recipe, self.cell, f"invoke lock --upgrade {self.cell.words}")

    def _from_lock(self) -> LockedSource | None:
        lock = self.folder.committed_lock(self.cell)
        sources = lock.sources if lock else ()
        return next((one for one in sources if one.component == self.recipe.name), None)

    def _located(self) -> tuple[ToBuild, dict[str, str]]:
        """Return where the source is, and what the templates of its origin may name."""
        name, fetcher = self.recipe.name, self.building.fetcher
        locator = locator_of(
            self.cell, self.folder, fetcher, build=frozenset({name}), offline=fetcher.offline
        )
        answer: Answer = locator.locate(name)
        fields = locator.fields(self.recipe)
        if not isinstance(answer, ToBuild):
            raise NoSourceError(
                f"No source of {name} was found.",
                why=answer.reason if isinstance(answer, Pending) else "its recipe names none",
                next_step=self._other_way(fields),
            )
        return answer, fields

    @contextmanager
    def _telling(self, answer: ToBuild, fields: Mapping[str, str]) -> Iterator[None]:
        """Say of a source that cannot be had how it is brought from elsewhere."""
        try:
            yield
        except (ResolveError, SourceUnreachableError) as error:
            kind = NoSourceError if isinstance(error, ResolveError) else UnreachableSourceError
            following = _import_of(answer.origin, fields) or error.next_step
            raise kind(f"{self.recipe.name}: {error.what}", why=error.why, next_step=following) from error

    def workshop(self) -> Workshop:
        """Return where it is built; no toolchain is fetched for a source that cannot be had."""
        made = self.building.workshop()
        own = made.own
        if own is None or self.building.fetcher.offline:
            return made

        def bring(lock: ToolchainLock) -> None:
            if not all(own.store.has(file.sha256) for file in lock.files):
                self._require_source()
            own.bring(lock)

        return replace(made, own=replace(own, bring=bring))

    def _require_source(self) -> None:
        """Have the source itself in the store, before what builds it, which is far bigger."""
        builds = self.building.source_builds()
        if source := self._from_lock():
            builds.bring(source, self.recipe)
            return
        answer, fields = self._located()
        with self._telling(answer, fields):
            builds.source(answer, fields)

    def _tell_passed_over(self, source: LockedSource) -> None:
        """Tell of an imported source that the lock has another for; no other file is part of this build."""
        fetcher, lock = self.building.fetcher, self.folder.committed_lock(self.cell)
        if lock is None:
            return
        alone = replace(lock, wheels=(), payloads=(), sources=(source,))
        tell_passed_over(self.cell, alone, fetcher.store, frozenset(self.cell.components), fetcher.emit)

    def _other_way(self, fields: Mapping[str, str]) -> str:
        if self.building.fetcher.offline:
            return "run the same command without --offline"
        origins = (one for one in self.recipe.origins if isinstance(one, SdistOrigin | GitOrigin))
        ways = filter(None, (_import_of(origin, fields) for origin in origins))
        return next(ways, "`invoke vendor FILE` with its source archive")

    def beside(self) -> list[LockedFile]:
        """Return the wheels that the committed lock builds and this build needs, built now where they are not."""
        lock = None if is_pure(self.recipe) else self.folder.committed_lock(self.cell)
        builds = self.building.source_builds()
        wheels = []
        for source in lock.sources if lock else ():
            if source.component in self.recipe.needs:
                recipe = self.folder.recipes[source.component]
                self.building.fetcher.fetch(files_of([source]))
                wheel = build_one(builds, recipe, source, self.building.workshop())
                if isinstance(wheel, Pending):
                    raise BuildPendingError(
                        f"{self.recipe.name} needs {wheel.component}, which cannot be built on this host.",
                        why=wheel.reason,
                        next_step=wheel.supply,
                    )
                wheels.append(wheel)
        return wheels


def _import_of(origin: SdistOrigin | GitOrigin, fields: Mapping[str, str]) -> str:
    """Return how a repository is brought from another host; empty for what is in none."""
    if not isinstance(origin, GitOrigin):
        return ""
    url = origin.url.format_map(fields)
    folder = url.rpartition("/")[2].removesuffix(".git")
    return (
        f"where it answers, `git clone --recurse-submodules {url}`, and here `invoke vendor {folder}`; "
        "or name a mirror of it in mirrors.toml (docs/mirror.md)"
    )


def main(options: BuildOptions) -> None:
    """Build one component and print its wheel."""
    if options.out is not None:
        require_out(options.out)
    with (
        console.reporter("json" if options.json else "auto", stream=sys.stderr) as told,
        profiled(told, options.profile, f"build {options.component}") as emit,
        store_with(options.cache, emit, offline=options.offline) as store,
        farm_of(options.farm, store, emit) as farm,
    ):
        job = component_build(options, emit, store, farm)
        workshop = replace(job.workshop(), incremental=options.incremental)
        refuse_pending(unfit(job.recipe, job.cell, workshop))
        with job.building.fetcher.store.in_use(emit):
            source, builds = job.locked(), job.building.source_builds()
            if options.incremental:
                refuse_locked(source)
            job.require_table(source)
            built = build_one(builds, job.recipe, source, workshop, job.beside())
    if isinstance(built, Pending):
        refuse_pending(PendingBuild(component=built.component, reason=built.reason, supply=built.supply))
        return
    hold_to_lock(source, built)
    path = str(_placed(job.building.fetcher.store.path(built.sha256), built.filename, options.out))
    if options.json:
        console.print_json(as_row(built) | {"path": path, "incremental": is_incremental(built.filename)})
        return
    mark = f"  ({INCREMENTAL_NOTE})" if is_incremental(built.filename) else ""
    for text in (f"{built.filename}{mark}", f"sha256 {built.sha256}", path):
        console.line(text)


def require_out(folder: Path) -> None:
    """Hold the folder of `--out` to one that can be written to, before an hour of building.

    Raises:
        OutputUnwritableError: It is none.
    """
    nearest = next(one for one in (folder.absolute(), *folder.absolute().parents) if os.path.lexists(one))
    if nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK):
        return
    fault = "may not be written to" if nearest.is_dir() else "is no folder"
    raise OutputUnwritableError(
        f"The wheel cannot be put into {folder}: {nearest} {fault}.",
        why="--out names a folder that you may write to; it is made where it is not there.",
        next_step="the same command with another folder, or without --out: the store keeps the wheel",
    )


def refuse_locked(source: LockedSource) -> None:
    """Raise NotIncrementalError where the lock holds a digest that the clean build alone reaches."""
    if source.wheel is not None:
        raise NotIncrementalError(
            source.component, f"The lock has the digest of its clean build: {source.wheel.filename}."
        )


def _placed(held: Path, filename: str, out: Path | None) -> Path:
    if out is None:
        return held
    out.mkdir(parents=True, exist_ok=True)
    write_whole(out / filename, held.read_bytes())
    return out / filename


def component_build(
    options: BuildOptions, emit: Emit, store: Store | None = None, farm: Farm | None = None
) -> ComponentBuild:
    """Return the component that was asked for, to be built in the usual store when none is given.

    Raises:
        UnknownComponentError: There is none of that name.
    """
    folder, name = ProjectFolder.load(options.root), options.component
    fetcher = Fetcher(recipes=folder.recipes, store=store or Store(), offline=options.offline, emit=emit)
    cell = cell_of(options.request, folder, fetcher.http, offline=options.offline)
    require_components(cell, [name])
    building = building_of(cell, folder, fetcher, options.build, farm)
    return ComponentBuild(folder=folder, building=building, recipe=folder.recipes[name])


def refuse_pending(pending: PendingBuild | None) -> None:
    """Raise BuildPendingError where a component is pending."""
    if pending is not None:
        raise BuildPendingError(
            f"{pending.component} cannot be built on this host.", why=pending.reason, next_step=pending.supply
        )
