"""Making a lock: locate the components, resolve the rest, and pin each name to exactly one file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from ascend_wheelhouse.base.errors import ResolveError, SourceUnreachableError
from ascend_wheelhouse.base.events import Emit, Note, Stage
from ascend_wheelhouse.cells.cell import Cell
from ascend_wheelhouse.cells.cutoff import cutoff
from ascend_wheelhouse.cells.project import NoProjectFileError
from ascend_wheelhouse.cells.recipe import Recipe, Recipes
from ascend_wheelhouse.locks.lock import Inputs, Lock, LockedPayload, LockedSource, Pending
from ascend_wheelhouse.locks.pylock import LockedFile
from ascend_wheelhouse.node.scratch import scratch
from ascend_wheelhouse.origins.http import Http
from ascend_wheelhouse.origins.index import Finder, FoundFile, IndexPin
from ascend_wheelhouse.pin.inputs import request_for
from ascend_wheelhouse.pin.locate import Answer, Located, Locator, ToBuild
from ascend_wheelhouse.pin.needs import needs_of
from ascend_wheelhouse.pin.resolving import resolved
from ascend_wheelhouse.pin.source_builds import PinnedTree, SourceBuilds
from ascend_wheelhouse.resolve.request import Resolution, Resolver, ResolveRequest
from ascend_wheelhouse.store.store import Store


class NeededComponentError(ResolveError):
    """A component that another cannot do without is in none of its origins."""


class UnknownNeedsError(SourceUnreachableError):
    """Nothing says what a component needs, because its source cannot be had from here."""


@dataclass(frozen=True, kw_only=True)
class Locking:
    """Everything that making a lock needs.

    Args:
        cell: The cell.
        recipes: Every recipe.
        recipes_digest: Digest of the recipes folder.
        locator: Asks the components' origins.
        resolver: Chooses versions.
        http: The HTTP client.
        store: Where imported files lie.
        emit: Told of the progress.
        builds: Locks what is built from source.
        kept: Pins of an older lock, `name==version`, that stay wherever the rest allows it.
    """

    cell: Cell
    recipes: Recipes
    recipes_digest: str
    locator: Locator
    resolver: Resolver
    http: Http
    store: Store
    emit: Emit
    builds: SourceBuilds
    kept: tuple[str, ...] = ()

    def lock(self) -> Lock:
        """Return a new lock of the cell.

        Raises:
            WheelhouseError: An origin, the resolver or the index failed.
        """
        self.emit(Stage(name="find components", jobs=len(self.cell.components)))
        answers = self.locator.locate_all()
        builds = [one for one in answers if isinstance(one, ToBuild)]
        trees = dict(self._trees(builds))
        located = [answer for answer in answers if isinstance(answer, Located)]
        self._tell_passed(located)
        pure = [one for one in builds if _is_pure(one.recipe)]
        with self._imported(located) as folders:
            needs = self._needs(answers, trees)
            request = request_for(self.cell, self.recipes, answers, needs=needs, imported=folders)
            self.emit(Stage(name="resolve"))
            with ThreadPoolExecutor(1, thread_name_prefix="sources") as pool:
                early = pool.submit(lambda: tuple(self._pure(one, trees) for one in pure))
                resolution = resolved(self.resolver, replace(request, kept=self.kept), self.http, self.emit)
                wheels = self._pin(resolution, located)
        late = self._compiled([one for one in builds if one not in pure], wheels)
        return Lock(
            stack=self.cell.stack_id,
            platform=self.cell.target.machine,
            cell=self.cell.as_manifest(),
            derived=self.cell.derived,
            recipes_digest=self.recipes_digest,
            wheels=wheels,
            sources=(*early.result(), *(one for one in late if isinstance(one, LockedSource))),
            payloads=tuple(locked_payload(one, self.cell) for one in located if one.recipe.kind != "wheel"),
            pending=tuple(one for one in (*answers, *late) if isinstance(one, Pending)),
            inputs=_inputs(request, self.resolver.name),
        )

    def _tell_passed(self, located: Iterable[Located]) -> None:
        """Tell why a file with a note was taken: an origin that the recipe would rather have did not have it."""
        for one in located:
            if one.passed and one.file.note:
                text = f"{one.file.filename} is taken, since {'; '.join(one.passed)}"
                self.emit(Note(text=text, level="warning"))

    def _trees(self, builds: Sequence[ToBuild]) -> Iterator[tuple[str, PinnedTree]]:
        """Pin the sources whose own project files may say what the runtime needs."""
        for one in builds:
            if one.recipe.build and (table := one.recipe.build.project_file):
                yield one.recipe.name, self.builds.tree(one, self.locator.fields(one.recipe), table)

    def _needs(self, answers: Sequence[Answer], trees: Mapping[str, PinnedTree]) -> set[str]:
        """Return what the project files of components that are built, or cannot be had yet, ask for at run time.

        Raises:
            UnknownNeedsError: A source cannot be had, and its recipe has no list for the release.
        """
        needs: set[str] = set()
        for one in answers:
            if isinstance(one, Located):
                continue
            recipe = self.recipes[one.component] if isinstance(one, Pending) else one.recipe
            tree = trees.get(recipe.name)
            try:
                found = needs_of(recipe, self.cell, tree.held if tree else {})
            except NoProjectFileError as error:
                if isinstance(one, Pending):
                    raise _no_source(one, self.cell.components[one.component]) from error
                raise
            self._require_there(recipe, found.requirements, answers)
            for absent in found.left_out:
                self.emit(Note(text=f"{absent.name} is left out: {absent.why}", level="warning"))
            needs |= found.requirements
        return needs

    def _require_there(self, recipe: Recipe, needs: Iterable[str], answers: Sequence[Answer]) -> None:
        """Hold what a component asks for to being there, where it is a component itself: no index may supply that."""
        pending = {
            canonicalize_name(self.recipes[one.component].distribution): one
            for one in answers
            if isinstance(one, Pending)
        }
        for line in sorted(needs):
            if (one := pending.get(canonicalize_name(Requirement(line).name))) is not None:
                whole = f"{recipe.name} {self.cell.components[recipe.name]}"
                raise NeededComponentError(
                    f"{whole} asks for {line}, which is pending: {one.reason}.",
                    why=f"{one.component} is a component, which its own recipe alone supplies.",
                    next_step=one.supply,
                )

    def _pure(self, answer: ToBuild, trees: Mapping[str, PinnedTree]) -> LockedSource:
        """Lock a source that needs nothing of the runtime, beside the resolver."""
        known = trees.get(answer.recipe.name)
        return self.builds.pin(answer, self.locator.fields(answer.recipe), tree=known.tree if known else None)

    def _compiled(
        self, builds: Sequence[ToBuild], wheels: Sequence[LockedFile]
    ) -> list[LockedSource | Pending]:
        """Lock the sources that are compiled against the runtime's torch."""
        names = {canonicalize_name(one.recipe.distribution) for one in builds}
        return [self.builds.lock(one, self.locator.fields(one.recipe), wheels, built=names) for one in builds]

    @contextmanager
    def _imported(self, located: Iterable[Located]) -> Iterator[list[Path]]:
        """A folder with the wheels that no index has, for the resolver to read."""
        with scratch() as folder:
            for one in located:
                if one.recipe.kind == "wheel" and one.file.origin in {"vendored", "url", "archive"}:
                    (folder / one.file.filename).symlink_to(self.store.path(one.file.sha256))
            yield [folder]

    def _pin(self, resolution: Resolution, located: Sequence[Located]) -> tuple[LockedFile, ...]:
        pins = resolution.pins
        known = {file.name: file for file in map(LockedFile.of, resolution.files)}
        known |= {one.file.name: one.file for one in located if one.recipe.kind == "wheel"}
        via = {pin.name: pin.via for pin in pins}
        finder = Finder(self.http, exclude_newer=cutoff(self.cell.exclude_newer))
        rest = [IndexPin(name=pin.name, version=pin.version) for pin in pins if pin.name not in known]
        self.emit(Stage(name=f"choose a file for each of {len(rest)} pins"))
        found = [locked_file(file) for file in finder.find_all(rest, self.cell.target)]
        every = [replace(file, via=via.get(file.name, ())) for file in (*found, *known.values())]
        return tuple(sorted(every, key=lambda file: file.name))


def _no_source(absent: Pending, version: str) -> UnknownNeedsError:
    return UnknownNeedsError(
        f"The source of {absent.component} {version} is in none of its origins: {absent.reason}.",
        why="What it needs on an NPU stands in its source, and its recipe has no list for this release.",
        next_step=absent.supply,
    )


def _is_pure(recipe: Recipe) -> bool:
    return recipe.build is not None and recipe.build.pure


def locked_file(found: FoundFile) -> LockedFile:
    """Return what the lock keeps of a wheel that an index offers: no URL."""
    return LockedFile.of(found.artifact, origin=found.origin)


def locked_payload(located: Located, cell: Cell) -> LockedPayload:
    """Return what the lock keeps of a payload's file."""
    return LockedPayload(
        component=located.recipe.name,
        version=cell.components[located.recipe.name],
        artifact=located.file.artifact,
        origin=located.file.origin,
    )


def _inputs(request: ResolveRequest, resolver: str) -> Inputs:
    return Inputs(
        requirements=request.requirements,
        constraints=request.constraints,
        excludes=request.excludes,
        closed=request.closed,
        exclude_newer=request.cutoff.isoformat() if request.cutoff else "",
        resolver=resolver,
        extra_indexes=tuple({"url": one.url, "names": list(one.names)} for one in request.extra_indexes),
    )
