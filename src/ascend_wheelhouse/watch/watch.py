"""One look at upstream: every project, git host and vulnerability database asked at once, and what came of it.

It reads and asks, and writes nothing but the pages that it saw, into the store.
"""

from __future__ import annotations

import shlex
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from packaging.utils import canonicalize_name
from packaging.version import Version

from ascend_wheelhouse.base.errors import SourceUnreachableError, UsageError
from ascend_wheelhouse.base.events import Emit, Note, Stage, silent
from ascend_wheelhouse.base.places import made_cache
from ascend_wheelhouse.base.toml_fault import meant
from ascend_wheelhouse.base.waiting import asking
from ascend_wheelhouse.cells.recipe import own_indexes
from ascend_wheelhouse.make.project_folder import ProjectFolder
from ascend_wheelhouse.origins.http import Http
from ascend_wheelhouse.origins.index import Finder
from ascend_wheelhouse.resolve.metadata import MetadataReader
from ascend_wheelhouse.store.store import Store
from ascend_wheelhouse.vulnerabilities.database import read_vulnerabilities
from ascend_wheelhouse.vulnerabilities.matching import known_of
from ascend_wheelhouse.watch.asking import Asking, PublishedFiles, Question, short
from ascend_wheelhouse.watch.components import Components, versions_of
from ascend_wheelhouse.watch.exposed import Exposed, Known
from ascend_wheelhouse.watch.findings import WatchFinding, is_asked, not_known, ordered
from ascend_wheelhouse.watch.held import HeldLock, Watched
from ascend_wheelhouse.watch.names import version_or_none
from ascend_wheelhouse.watch.osv_api import ask_osv
from ascend_wheelhouse.watch.pinned_tags import PinnedTag, moved_tags, pinned_tags
from ascend_wheelhouse.watch.pins import Candidates, PinnedFile, newer_wheels, pinned_files, spoiled
from ascend_wheelhouse.watch.ranges import Allowed, Ranges, read_needs
from ascend_wheelhouse.watch.releases import on_index
from ascend_wheelhouse.watch.tags import Tags, ask_tags, tag_place

_KEPT = "watch/pages.json"
_NO_OSV = "--offline: OSV was not asked, and no database was named"


class UnknownNameError(UsageError):
    """Nothing that is watched has this name."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What one look found.

    Args:
        findings: In the order in which to read them.
        asked: When the oldest answer of the index came (RFC 3339), empty where none did.
        looked: When the oldest answer of this look came, leaving out earlier ones; empty where none did.
        since: What the oldest lock knows of the index (RFC 3339), empty where no lock says.
        dated: Whether the index says when files were uploaded.
        unread: How many wheels have needs that are not known, so that ranges may be too wide.
        fresh: Whether the index answered in this look for any project.
    """

    findings: tuple[WatchFinding, ...]
    asked: str
    looked: str
    since: str
    dated: bool
    unread: int
    fresh: bool

    @property
    def unknown(self) -> tuple[str, ...]:
        """The components, projects and sources of which not every place answered."""
        return tuple(sorted({one.component for one in self.findings if one.kind == "unreachable"}))


@dataclass(frozen=True, kw_only=True)
class Watch:
    """How to look.

    Args:
        folder: Recipes, stacks and the compatibility table.
        watched: What is watched.
        http: The client of every origin.
        store: Where the last answers of the index are kept.
        vulnerabilities: An exported database; OSV's API is asked when None.
        offline: Ask nobody, and go by the last answers.
        emit: Told of the progress.
    """

    folder: ProjectFolder
    watched: Watched
    http: Http
    store: Store
    vulnerabilities: Path | None = None
    offline: bool = False
    emit: Emit = silent

    def look(self) -> Seen:
        """Ask, and return what was found.

        Raises:
            BadVulnerabilitiesError: The database cannot be read.
        """
        exported = self._exported()  # a file that is none is told before anybody is asked
        questions = list(self._questions())
        self.emit(Stage(name="ask upstream", jobs=len(questions)))
        with asking(2, "upstream") as pool:
            tagged = pool.submit(self._tags)
            recorded = pool.submit(lambda: exported or self._records())
            files, tags = self._files(questions), tagged.result()
        known = recorded.result()
        allowed = self._allowed(files)
        locks, pins = self.watched.locks, self._pins
        components = Components(
            watched=self.watched,
            stacks=self.folder.catalogue.stacks,
            recipes=self.folder.recipes,
            table=self.folder.table,
            files=files,
            tags=tags,
        )
        findings = [*components.findings(), *self._silent_wheels(files)]
        findings += [*spoiled(pins, files), *newer_wheels(locks, files, allowed)]
        findings += moved_tags(self._pinned_tags, tags)
        findings += (
            [_unasked(known)]
            if isinstance(known, str)
            else Exposed(
                known=known, allowed=allowed, candidates=Candidates(files), export=self._export_words
            ).findings(locks)
        )
        since = self.watched.since
        return Seen(
            findings=tuple(ordered(findings)),
            asked=min((one.asked for one in files.values() if one.asked), default=""),
            looked=min((one.asked for one in files.values() if one.fresh), default=""),
            since=since.isoformat() if since else "",
            dated=any(offer.upload_time for one in files.values() for offer in one.offers),
            unread=len({name for one in allowed.values() for name in one.unread}),
            fresh=not self.offline and any(one.fresh for one in files.values()),
        )

    @cached_property
    def names(self) -> frozenset[str]:
        """What findings can be of: components of recipes by their names and their wheels', and every locked wheel."""
        recipes = self.folder.recipes.values()
        own = {name for one in recipes for name in (one.name, one.distribution) if name}
        return frozenset(map(canonicalize_name, {*own, *(one.project for one in self._pins)}))

    @cached_property
    def _pins(self) -> tuple[PinnedFile, ...]:
        return tuple(pinned_files(self.watched.locks))

    @cached_property
    def _pinned_tags(self) -> dict[PinnedTag, list[HeldLock]]:
        return pinned_tags(self.watched.locks)

    def _files(self, questions: Iterable[Question]) -> dict[str, PublishedFiles]:
        config = self.http.config
        asking = Asking(
            finder=Finder(self.http),
            places=(*config.index_urls, *config.find_links),
            kept=self.store.root / _KEPT,
            emit=self.emit,
            offline=self.offline,
        )
        with self.store.telling():
            return asking.ask_all(questions)

    def _questions(self) -> Iterator[Question]:
        """Yield one question a project: of components by their stacks' versions, of other wheels by the locks'."""
        floors: defaultdict[str, list[Version]] = defaultdict(list)
        pinned: defaultdict[str, set[str]] = defaultdict(set)
        for one in self._pins:
            pinned[one.project].add(one.filename)
            floors[one.project].append(Version(one.version))
        watched = {name for stack in self.watched.stacks for name in versions_of(stack)}
        for stack in self.folder.catalogue.stacks:
            for name, text in versions_of(stack).items():
                recipe = self.folder.recipes[name]
                if name in watched and on_index(recipe) and recipe.distribution:
                    version = version_or_none(text)
                    floors[canonicalize_name(recipe.distribution)] += [version] if version else []
        own = own_indexes(self.folder.recipes)
        for name, versions in floors.items():
            yield Question(
                project=name,
                pinned=frozenset(pinned[name]),
                floor=min(versions, default=None),
                own=tuple(dict.fromkeys(own.get(name, ()))),
            )

    def _tags(self) -> Tags:
        named = {name for stack in self.watched.stacks for name in versions_of(stack)}
        places = {place for name in named if (place := tag_place(self.folder.recipes[name]))}
        locked = {one.url for one in self._pinned_tags}
        return ask_tags(places, self.http.mirrors, self.emit, locked=locked, offline=self.offline)

    def _allowed(self, files: Mapping[str, PublishedFiles]) -> dict[str, Allowed]:
        urls = {
            one.expected.sha256: one.url
            for published in files.values()
            for one in published.offers
            if one.expected.sha256 and one.url
        }
        # where pip-tools keeps it, so that what a lock has read is not read again
        kept = made_cache("pip-tools", "metadata")
        reader = MetadataReader(self.http, kept)
        wheels = [wheel for held in self.watched.locks for wheel in held.lock.wheels]
        ranges = Ranges(read_needs(wheels, urls, reader, self.emit))
        return {one.name: ranges.of(one) for one in self.watched.locks}

    def _silent_wheels(self, files: Mapping[str, PublishedFiles]) -> Iterator[WatchFinding]:
        """Yield a finding for each project of ordinary wheels that could not be asked."""
        own = {
            canonicalize_name(self.folder.recipes[name].distribution)
            for stack in self.watched.stacks
            for name in versions_of(stack)
            if self.folder.recipes[name].distribution
        }
        held: defaultdict[str, dict[str, str]] = defaultdict(dict)
        for one in self._pins:
            held[one.project][one.held.name] = one.held.stack
        for name, published in files.items():
            for place, why in published.silent.items() if name not in own else ():
                yield WatchFinding(
                    kind="unreachable",
                    of="wheel",
                    component=name,
                    stacks=tuple(sorted({*held[name].values()} - {""})),
                    locks=tuple(held[name]),
                    text=not_known(why),
                    facts={"place": place, "asked": is_asked(why)},
                    about=place.removeprefix("https://"),
                )

    @property
    def _export_words(self) -> str:
        """The option that names the database to a later command, after a space; empty where OSV is asked."""
        return f" --vulnerabilities {shlex.quote(str(self.vulnerabilities))}" if self.vulnerabilities else ""

    def _exported(self) -> Known | None:
        if self.vulnerabilities is None:
            return None
        database = read_vulnerabilities(self.vulnerabilities)
        self.emit(
            Note(
                text=f"{database.source}: the newest of its {database.records} records is of {database.newest}"
            )
        )
        if warning := database.warning():
            self.emit(Note(text=warning, level="warning"))
        return database.known

    def _records(self) -> Known | str:
        """Return what OSV's API knows of the versions that locks install, or why that is not known."""
        if self.offline:
            return _NO_OSV
        pins = {
            (one.name, version)
            for held in self.watched.locks
            for one in held.lock.installed
            for version in (one.version, Version(one.version).public)
        }
        try:
            records = ask_osv(sorted(pins), self.http, self.emit)
        except SourceUnreachableError as error:
            return short(error)
        for fault in (f"{one.id}: {why}" for one in records for each in one.affected for why in each.faults):
            self.emit(Note(text=f"OSV: a record is left out in part: {fault}", level="warning"))
        return lambda name, version: known_of(records, name, version)


def _unasked(why: str) -> WatchFinding:
    return WatchFinding(
        kind="unreachable",
        of="source",
        component="osv",
        text=f"vulnerabilities are not known: {why}. An export (PyPI/all.zip of OSV) can be named with "
        "--vulnerabilities FILE.",
        facts={"place": "osv", "asked": is_asked(why)},
    )


def named(components: str, known: frozenset[str]) -> frozenset[str]:
    """Return the components and projects of a text, their names separated by commas.

    Args:
        components: The text.
        known: What there is to be named, see `Watch.names`.

    Raises:
        UnknownNameError: Nothing that is watched has one of the names.
    """
    names = frozenset(canonicalize_name(one.strip()) for one in components.split(",") if one.strip())
    for name in [*sorted(names - known), *([] if names else [""])]:
        near = meant(name, known)
        raise UnknownNameError(
            f"--only: nothing that is watched is called {name or 'nothing'}.",
            why=f"Did you mean {near}?" if near else "It is no component of a recipe, and no locked wheel.",
            next_step=f"`invoke watch --only {near}`" if near else "`invoke watch --all` shows what there is",
        )
    return names


def only(seen: Seen, names: frozenset[str]) -> Seen:
    """Return what was found of some components or projects alone, and the sources of which nothing is known."""
    told = (one for one in seen.findings if one.of == "source" or canonicalize_name(one.component) in names)
    return replace(seen, findings=tuple(told))
