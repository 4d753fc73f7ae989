"""Making a lock: locate the components, resolve the rest, and pin each name to exactly one file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from packaging.utils import canonicalize_name

from ascend_wheelhouse.base.events import Emit, Stage
from ascend_wheelhouse.build.source_builds import SourceBuilds
from ascend_wheelhouse.cells.cell import Cell
from ascend_wheelhouse.cells.cutoff import cutoff
from ascend_wheelhouse.cells.recipe import ProjectBuild, Recipes
from ascend_wheelhouse.fetch.fetch import fetch_all
from ascend_wheelhouse.fetch.transfer import Download
from ascend_wheelhouse.locks.lock import Inputs, Lock, LockedPayload, LockedSource, Pending
from ascend_wheelhouse.locks.pylock import LockedFile
from ascend_wheelhouse.node.scratch import scratch
from ascend_wheelhouse.origins.http import Http
from ascend_wheelhouse.origins.index import Finder, FoundFile, IndexPin
from ascend_wheelhouse.pin.inputs import request_for
from ascend_wheelhouse.pin.locate import Located, Locator, ToBuild
from ascend_wheelhouse.resolve.request import Resolution, Resolver, ResolveRequest
from ascend_wheelhouse.store.store import Store


@dataclass(frozen=True, kw_only=True)
class Locking:
    """Everything that making a lock needs.

    Args:
        cell: The cell.
        recipes: Every recipe.
        recipes_digest: Digest of the recipes folder.
        locator: Asks the components' origins.
        resolver: Chooses versions.
        http: The door.
        store: Where sdists and handed-over files lie.
        emit: Told of the progress.
        builds: Locks what a `[build]` table makes.
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

    def lock(self) -> Lock:
        """Return a new lock of the cell.

        Raises:
            WheelhouseError: An origin, the resolver or the index failed.
        """
        self.emit(Stage(name="locate", jobs=len(self.cell.components)))
        answers = self.locator.locate_all()
        tables = [one for one in answers if isinstance(one, ToBuild) and one.recipe.project is None]
        sdists = self._sdists([one for one in answers if isinstance(one, ToBuild) and one not in tables])
        located = [answer for answer in answers if isinstance(answer, Located)]
        with self._handed_over(located) as folders:
            paths = {name: self.store.path(found.sha256) for name, found in sdists.items()}
            request = request_for(self.cell, self.recipes, answers, sdists=paths, handed_over=folders)
            self.emit(Stage(name="resolve"))
            with ThreadPoolExecutor(1, thread_name_prefix="sources") as pool:
                projects = (a for a in answers if isinstance(a, ToBuild) and a.recipe.name in sdists)
                sources = pool.submit(lambda: tuple(self._source(answer, sdists) for answer in projects))
                resolution = self.resolver.resolve(request)
                wheels = self._pin(resolution, located)
        names = {canonicalize_name(one.recipe.distribution) for one in tables}
        built = [
            self.builds.lock(one, self.locator.fields(one.recipe), wheels, built=names) for one in tables
        ]
        return Lock(
            stack=self.cell.stack_id,
            platform=self.cell.target.machine,
            cell=self.cell.as_manifest(),
            derived=self.cell.derived,
            recipes_digest=self.recipes_digest,
            wheels=wheels,
            sources=(*sources.result(), *(one for one in built if isinstance(one, LockedSource))),
            payloads=tuple(locked_payload(one, self.cell) for one in located if one.recipe.kind != "wheel"),
            pending=tuple(one for one in (*answers, *built) if isinstance(one, Pending)),
            inputs=_inputs(request, self.resolver.name),
        )

    def _sdists(self, builds: Sequence[ToBuild]) -> dict[str, FoundFile]:
        """Find and fetch the source archives: their project files may hold dependency lists."""
        finder = Finder(self.http)
        found = {
            one.recipe.name: finder.find_file(
                one.recipe.distribution, one.version, self.cell.target, sdist=True
            )
            for one in builds
            if one.origin.kind == "sdist"
        }
        downloads = [Download.of(file.artifact, urls=(file.url,)) for file in found.values()]
        fetch_all(downloads, self.store, self.emit, http=self.http)
        return found

    @contextmanager
    def _handed_over(self, located: Iterable[Located]) -> Iterator[list[Path]]:
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
        self.emit(Stage(name=f"find the file of {len(rest)} pins"))
        found = [locked_file(file) for file in finder.find_all(rest, self.cell.target)]
        every = [replace(file, via=via.get(file.name, ())) for file in (*found, *known.values())]
        return tuple(sorted(every, key=lambda file: file.name))

    def _source(self, answer: ToBuild, sdists: Mapping[str, FoundFile]) -> LockedSource:
        found = sdists[answer.recipe.name]
        environment = self._environment(answer.recipe.project)
        return LockedSource(
            component=answer.recipe.name,
            version=answer.version,
            origin=answer.origin.kind,
            archive=found.artifact,
            environment=environment,
        )

    def _environment(self, project: ProjectBuild | None) -> tuple[LockedFile, ...]:
        if project is None:
            return ()
        request = ResolveRequest(requirements=tuple(project.requires), target=self.cell.target)
        pins = self.resolver.resolve(request).pins
        found = Finder(self.http).find_all(
            [IndexPin(name=pin.name, version=pin.version) for pin in pins], self.cell.target
        )
        return tuple(locked_file(file) for file in found)


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
