"""Where each component of a cell comes from: its recipe's origins, tried in order.

A component is *located* when an origin has the very file, *built* when its wheel is made from source, and *pending*
when no origin has it, with every origin's answer as the reason. Files imported by `invoke vendor` come before
every other origin: a person chose them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from packaging.version import Version

from ascend_wheelhouse.base.artifact import Artifact
from ascend_wheelhouse.base.errors import ResolveError, SourceUnreachableError, WheelhouseError
from ascend_wheelhouse.base.events import Emit, JobFinished, JobStarted, Outcome, silent
from ascend_wheelhouse.base.waiting import asking
from ascend_wheelhouse.cells.cell import Cell
from ascend_wheelhouse.cells.compatibility import Compatibility
from ascend_wheelhouse.cells.package import file_name
from ascend_wheelhouse.cells.recipe import (
    ArchiveOrigin,
    ExtraIndexOrigin,
    GitOrigin,
    IndexOrigin,
    Origin,
    Recipe,
    Recipes,
    SdistOrigin,
    UrlOrigin,
    archive_of,
    supply_of,
)
from ascend_wheelhouse.fetch.url import filled
from ascend_wheelhouse.locks.lock import Pending
from ascend_wheelhouse.locks.pylock import LockedFile
from ascend_wheelhouse.origins.faults import OriginError
from ascend_wheelhouse.origins.git import find_ref
from ascend_wheelhouse.origins.http import Http
from ascend_wheelhouse.origins.index import Finder, FoundFile
from ascend_wheelhouse.origins.pip_config import PipConfig
from ascend_wheelhouse.store.vendored import VendoredRecord

Vendored = Callable[[str, Cell], LockedFile | None]
"""The imported file for a component of a cell, if any."""
HandedOver = Callable[[str, str], VendoredRecord | None]
"""The imported source of a component's release, if any."""
Elsewhere = Callable[[str, Cell], str]
"""Tells of files that were imported for a component of another cell; empty where there are none."""
Release = Callable[[UrlOrigin | ArchiveOrigin, Mapping[str, str]], LockedFile]
"""Brings the file of a URL or of a release archive into the store."""

_WORKERS = 8


class UnreachableTorchError(SourceUnreachableError):
    """torch could not be had because an origin of it did not answer."""


class UnlocatedError(ResolveError):
    """torch itself is in none of its origins: nothing can be made without it."""


@dataclass(frozen=True, kw_only=True)
class Located:
    """A component's file, at one of its origins.

    Args:
        recipe: The component.
        file: The very file, with digest and size.
        index: URL of the extra index that has it, or empty.
        passed: What the origins before said.
    """

    recipe: Recipe
    file: LockedFile
    index: str = ""
    passed: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ToBuild:
    """A component whose wheel is made from source by its recipe's `[build]` table.

    Args:
        recipe: The component.
        version: The release.
        origin: Where its source is; of a commit that a person imported, the origin with that commit as its ref.
        archive: The source archive that a person imported in place of the origin's.
    """

    recipe: Recipe
    version: str
    origin: SdistOrigin | GitOrigin
    archive: Artifact | None = None


Answer = Located | ToBuild | Pending


@dataclass(frozen=True, kw_only=True)
class Locator:
    """Asks the origins of the components of one cell.

    Args:
        cell: The cell.
        recipes: Every recipe.
        table: The compatibility table, for `{ascend}`, `{branch}` and `{release}` in templates.
        http: The HTTP client for the configured indexes.
        vendored: Looks up imported files.
        handed_over: Looks up imported sources.
        elsewhere: Tells of imported files that are for other cells.
        release: Fetches release files.
        build: Components to be built from source although their wheels were imported, or another origin has them.
        offline: Look at imported files alone.
        emit: Told of each component.
    """

    cell: Cell
    recipes: Recipes
    table: Compatibility
    http: Http
    vendored: Vendored
    release: Release
    handed_over: HandedOver = lambda _component, _version: None
    elsewhere: Elsewhere = lambda _component, _cell: ""
    build: frozenset[str] = frozenset()
    offline: bool = False
    emit: Emit = silent

    def locate_all(self) -> list[Answer]:
        """Return an answer for each component of the cell, in the cell's order.

        Raises:
            UnlocatedError: torch is nowhere.
        """
        with asking(_WORKERS, "locate") as pool:
            return list(pool.map(self._locate_telling, self.cell.components))

    def _locate_telling(self, component: str) -> Answer:
        self.emit(JobStarted(job=component, action="look for a source"))
        outcome: Outcome = "failed"
        try:
            answer = self.locate(component)
            outcome = "pending" if isinstance(answer, Pending) else "done"
        finally:
            self.emit(JobFinished(job=component, outcome=outcome))
        return answer

    def locate(self, component: str) -> Answer:
        """Return where one component comes from.

        Raises:
            UnlocatedError: It is torch, which is nowhere.
            UnreachableTorchError: It is torch, and an origin did not answer.
        """
        recipe = self.recipes[component]
        chosen = component in self.build and recipe.build is not None
        if not chosen and (file := self.vendored(component, self.cell)) is not None:
            return Located(recipe=recipe, file=file)
        if (build := self._from_person(recipe)) is not None:
            return build
        reasons = ["--offline: no origin was asked"] if self.offline else []
        unreachable = False
        for origin in () if self.offline else recipe.origins:
            if not self.cell.holds(origin.when):
                continue
            try:
                answer = self._ask(recipe, origin)
            except (ResolveError, SourceUnreachableError) as error:
                reasons.append(f"{origin.kind}: {_short(error)}")
                unreachable |= isinstance(error, SourceUnreachableError)
            else:
                if isinstance(answer, Located):
                    return replace(answer, passed=tuple(reasons))
                if answer is not None:
                    return answer
        if recipe.name == "torch":
            raise self._no_torch("; ".join(reasons), unreachable=unreachable)
        return self._nowhere(recipe, reasons)

    def fields(self, recipe: Recipe) -> dict[str, str]:
        """Return what the recipe's templates may name; `ascend`, `branch`, `release` where the table knows them."""
        fields = {**self.cell.fields, "version": self.cell.components[recipe.name]}
        if row := self.table.row(self.cell.components.get("torch-npu", "")):
            fields |= {"ascend": row.ascend, "branch": row.branch, "release": row.release}
        if (archive := archive_of(recipe, self.cell, self.recipes)) is not None:
            fields["archive"] = archive
        if (name := file_name(recipe.names, self.cell, fields["version"])) is not None:
            fields["filename"] = name
        return fields

    def _ask(self, recipe: Recipe, origin: Origin) -> Answer | None:
        chosen = recipe.name in self.build
        pure = recipe.build is not None and recipe.build.pure
        match origin:
            case IndexOrigin() | ExtraIndexOrigin() if not chosen:
                return self._from_index(recipe, origin)
            case UrlOrigin() | ArchiveOrigin() if not chosen:
                return Located(recipe=recipe, file=self._released(recipe, origin))
            case SdistOrigin() | GitOrigin() if chosen or pure:
                if pure:
                    self._require_source(recipe, origin)
                return ToBuild(recipe=recipe, version=self.cell.components[recipe.name], origin=origin)
            case GitOrigin() if recipe.build is not None:
                raise SourceUnreachableError(self._source_alone(recipe, origin))
        return None

    def _source_alone(self, recipe: Recipe, origin: GitOrigin) -> str:
        """Return why a source gives no file by itself, where the source is, and what makes a wheel of it."""
        fields = self.fields(recipe)
        try:
            there = f"{origin.url.format_map(fields)} at {origin.ref.format_map(fields)}"
        except KeyError:  # the table has no row for that version
            there = origin.url
        return f"{there} holds source, no wheel; `invoke build {recipe.name} {self.cell.words}` builds one"

    def _from_person(self, recipe: Recipe) -> ToBuild | None:
        """Return what builds from an imported source, if the recipe builds and there is one."""
        version, build = self.cell.components[recipe.name], recipe.build
        if build is None or not (build.pure or recipe.name in self.build):
            return None
        if (record := self.handed_over(recipe.name, version)) is None:
            return None
        commit = record.filename.removesuffix(".bundle")
        if commit == record.filename:
            origin = SdistOrigin(kind="sdist")
            return ToBuild(recipe=recipe, version=version, origin=origin, archive=record.artifact)
        for known in recipe.origins:
            if isinstance(known, GitOrigin):
                return ToBuild(
                    recipe=recipe, version=version, origin=known.model_copy(update={"ref": commit})
                )
        return None

    def _require_source(self, recipe: Recipe, origin: SdistOrigin | GitOrigin) -> None:
        """Ask for a source before it is counted on: where there is none, the next origin has its turn.

        Raises:
            ResolveError, SourceUnreachableError: There is none.
        """
        fields = self.fields(recipe)
        if isinstance(origin, GitOrigin):
            find_ref(origin.url.format_map(fields), origin.ref.format_map(fields), self.http.mirrors)
        else:
            finder = Finder(self.http)
            finder.find_file(recipe.distribution, fields["version"], self.cell.target, sdist=True)

    def _from_index(self, recipe: Recipe, origin: IndexOrigin | ExtraIndexOrigin) -> Located:
        version = self.cell.components[recipe.name]
        url = origin.url if isinstance(origin, ExtraIndexOrigin) else ""
        if isinstance(origin, ExtraIndexOrigin) and origin.local and "+" not in version:
            version = f"{version}+{origin.local}"
        found = self._find(recipe, version, url)
        label = "extra-index" if url and found.origin == "index" else found.origin
        locked = LockedFile.of(found.artifact, component=recipe.name, origin=label, note=origin.note)
        return Located(recipe=recipe, file=locked, index=url if label == "extra-index" else "")

    def _find(self, recipe: Recipe, version: str, url: str) -> FoundFile:
        """Find-links before a foreign index: what lies on this site needs nobody else."""
        target = self.cell.target
        if not url:
            return Finder(self.http).find_file(recipe.distribution, version, target)
        config = self.http.config
        local = replace(config, no_index=True)
        try:
            return self._finder(local).find_file(recipe.distribution, version, target)
        except ResolveError:
            only = replace(
                config, index_url=url, extra_index_urls=(), find_links=(), no_index=False, retries=1
            )
            return self._finder(only).find_file(recipe.distribution, version, target)

    def _finder(self, config: PipConfig) -> Finder:
        """Return what looks files up by other settings than pip's own."""
        return Finder(Http(config, self.http.mirrors, tell=self.http.tell))

    def _released(self, recipe: Recipe, origin: UrlOrigin | ArchiveOrigin) -> LockedFile:
        fields = self.fields(recipe)
        try:
            file = self.release(origin, fields)
        except KeyError as error:
            if error.args == ("archive",):
                raise SourceUnreachableError(
                    f"no archive of {fields['version']} for this cell is known"
                ) from error
            raise SourceUnreachableError(f"its URL names {error}, which the table does not know") from error
        return replace(file, component=recipe.name, origin=origin.kind, note=origin.note)

    def _nowhere(self, recipe: Recipe, reasons: Sequence[str]) -> Pending:
        told = [self.elsewhere(recipe.name, self.cell), *reasons]
        reason = "; ".join(dict.fromkeys(filter(None, told))) or "no origin holds for this cell"
        fields = self.fields(recipe)
        supply = supply_of(recipe, self.cell, "`invoke vendor FILE` with its wheel", fields)
        return Pending(
            component=recipe.name, reason=reason, supply=supply, urls=tuple(self._published(recipe, fields))
        )

    def _published(self, recipe: Recipe, fields: Mapping[str, str]) -> Iterator[str]:
        """Yield the URL of each origin that is one file's, as far as its template's fields are known."""
        for origin in recipe.origins:
            if isinstance(origin, UrlOrigin | ArchiveOrigin) and self.cell.holds(origin.when):
                with suppress(KeyError):
                    yield filled(origin.url, fields)

    def _no_torch(self, reason: str, *, unreachable: bool) -> WheelhouseError:
        machine = self.cell.target.machine
        known = self._known_torch()
        index = "the PyTorch index" if machine == "x86_64" else "the package index"
        kind = UnreachableTorchError if unreachable else UnlocatedError
        return kind(
            f"torch {self.cell.torch} for {machine} is in none of its origins: {reason}.",
            why=f"Here these versions can be had for {machine}: {known or 'none'}.",
            next_step=f"{'choose one of these, ' if known else ''}reach {index} (or name a mirror of it in "
            "mirrors.toml), or import the wheel: `invoke vendor torch-VERSION.whl`",
        )

    def _known_torch(self) -> str:
        config = self.http.config
        only_cpu = self.cell.target.machine == "x86_64"
        finder = self._finder(replace(config, no_index=only_cpu))
        try:
            versions = finder.versions("torch", self.cell.target)
        except WheelhouseError:
            return ""
        return ", ".join(sorted(set(versions), key=Version, reverse=True))


def _short(error: WheelhouseError) -> str:
    """The same words on every network, since they stand in manifests: the host and the kind of fault."""
    if isinstance(error, OriginError):
        return f"{urlsplit(error.url).hostname or 'file'}: {error.reason or error.what}".rstrip(".")
    return error.what.rstrip(".")
