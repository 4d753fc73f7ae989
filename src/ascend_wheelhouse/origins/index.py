"""Finding files on package indexes and in find-links, by name, for the target and never for this host.

unearth evaluates the links (`judge.py`); this module asks for pages in
parallel, keeps each page for the run, and chooses one file a pin: the wheel with the best tag, from the
earliest place in pip's order. URLs stay in memory: locks hold names, sizes and digests only, and `where`
finds them again.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from packaging.utils import canonicalize_name
from packaging.version import Version

from ascend_wheelhouse.base.artifact import Artifact, HasArtifact
from ascend_wheelhouse.base.errors import (
    IntegrityError,
    ResolveError,
    SourceUnreachableError,
    WheelhouseError,
)
from ascend_wheelhouse.base.events import Emit, JobFinished, JobStarted, silent
from ascend_wheelhouse.base.waiting import asking
from ascend_wheelhouse.cells.target import Target
from ascend_wheelhouse.origins import faults
from ascend_wheelhouse.origins.answers import Page
from ascend_wheelhouse.origins.http import Http
from ascend_wheelhouse.origins.page import ACCEPT, Offer, Wanted, folder_offers, local_path, offers
from ascend_wheelhouse.origins.transport import require_trusted

if TYPE_CHECKING:
    from ascend_wheelhouse.origins.judge import Candidate

Origin = Literal["index", "extra-index", "find-links"]
_WORKERS = 24
_NEWER_GLIBC = (31, 34, 35, 38, 39)
"""Minor versions of the glibc of Debian 11, openEuler 22.03, Ubuntu 22.04, openEuler 24.03 and Ubuntu 24.04."""


class UnknownProjectError(ResolveError):
    """No index knows a project of that name."""


class NoFileForTargetError(ResolveError):
    """A version has no file that the target can use."""


class LockedFileChangedError(IntegrityError):
    """The index offers a locked file name with other bytes than the lock says."""


class LockedFileGoneError(SourceUnreachableError):
    """No index offers a locked file any more."""


@dataclass(frozen=True, kw_only=True)
class IndexPin:
    """A project at one exact version; a local version (`2.13.0+cpu`) must be named to be taken."""

    name: str
    version: str


@dataclass(frozen=True, kw_only=True)
class FoundFile(HasArtifact):
    """The file chosen for a pin; `url` is for this run only."""

    name: str
    version: str
    artifact: Artifact
    url: str
    yanked: bool
    upload_time: datetime | None
    origin: Origin


@dataclass(frozen=True, kw_only=True)
class _Place:
    url: str
    origin: Origin


class Finder:
    """A client of every index and find-links place of pip's configuration. Threads may share it.

    Args:
        http: The HTTP client; its `config` names the places.
        exclude_newer: Files uploaded after this time do not exist, nor do index files without an upload time;
            find-links are exempt, since they never state one (uv does the same).
    """

    def __init__(self, http: Http, *, exclude_newer: datetime | None = None) -> None:
        self._http = http
        self._exclude_newer = exclude_newer
        self._flat: dict[str, Future[list[Offer]]] = {}
        self._seen: dict[tuple[str, str], str] = {}
        self._guard = threading.Lock()

    @cached_property
    def _places(self) -> tuple[_Place, ...]:
        return tuple(_places(self._http))

    def find_file(self, name: str, version: str, target: Target, *, sdist: bool = False) -> FoundFile:
        """Return the one file of a version for the target; an sdist only when `sdist` is set.

        Raises:
            NoFileForTargetError: There is none; the text lists the versions that have one.
            UnknownProjectError: No index knows the name.
            OriginError: An index did not answer.
        """
        wanted = Version(version)
        for part in (f"-{version}-", ""):
            found = self._candidates(name, target, sdist=sdist, mentioning=part)
            fitting = [candidate for candidate in found if candidate.version == wanted]
            if fitting:
                return self._finished(canonicalize_name(name), min(fitting, key=lambda each: each.rank))
        raise self._no_sdist(name, version, target) if sdist else self._no_file(name, version, target)

    def find_all(self, pins: Sequence[IndexPin], target: Target, emit: Emit = silent) -> list[FoundFile]:
        """Return the file of every pin, in the pins' order, asked for in parallel.

        Raises:
            WheelhouseError: The first that failed; see `find_file`.
        """
        with asking(_WORKERS, "find") as pool:
            futures = [pool.submit(self._reported, pin, target, emit) for pin in pins]
            return [future.result() for future in futures]

    def versions(self, name: str, target: Target) -> list[str]:
        """Return the versions of a project that have a wheel for the target, oldest first, none yanked.

        Raises:
            UnknownProjectError: No index knows the name.
        """
        found = self._candidates(name, target, sdist=False)
        return [str(version) for version in sorted({each.version for each in found if not each.offer.yanked})]

    def where(self, name: str, filename: str, sha256: str, *, also: Sequence[str] = ()) -> list[str]:
        """Return the URLs of a locked file, local ones first.

        A place that does not answer stops nothing: the digest decides, so another place will do. Another digest
        under the name is told before a place that did not answer, for it is the graver of the two.

        Args:
            name: Its project.
            filename: Its name.
            sha256: Its digest.
            also: Indexes to ask where the configured places do not have it, such as a recipe's own.

        Raises:
            LockedFileChangedError: The name is offered with another digest only.
            LockedFileGoneError: It is not offered at all.
            SourceUnreachableError: It is not offered, and a place did not answer.
        """
        known = self._seen.get((filename, sha256))
        if known:
            return [known]
        own = tuple(_Place(url=url, origin="extra-index") for url in also)
        same: list[Offer] = []
        silent: list[SourceUnreachableError] = []
        for places in (self._places, own):
            for place in places:
                try:
                    same += [one for one in self._offers(place, name, filename) if one.filename == filename]
                except SourceUnreachableError as error:
                    silent.append(error)
            urls = [offer.url for offer in same if offer.expected.sha256 in {None, sha256}]
            if urls:
                return sorted(urls, key=lambda url: not url.startswith("file:"))
        if not same and silent:
            raise silent[0]
        raise _changed(filename, sha256, same[0]) if same else _gone(name, filename)

    def published(self, name: str, wanted: Wanted, *, index: str = "") -> list[Offer]:
        """Return every file of a project that counts, whatever it is for.

        Args:
            name: The project.
            wanted: Tells by its name whether a file counts.
            index: The one index to ask, such as a recipe's own; every configured place when empty.

        Raises:
            SourceUnreachableError: A place did not answer: what it has is not known, so nothing may be said of all.
        """
        places = (_Place(url=index, origin="extra-index"),) if index else self._places
        return [one for place in places for one in self._offers(place, name, wanted=wanted)]

    def pages(self, name: str) -> list[Page]:
        """Return the pages that indexes have of a project."""
        asked = (self._page(place, name) for place in self._places if place.origin != "find-links")
        return [page for page in asked if page]

    def _reported(self, pin: IndexPin, target: Target, emit: Emit) -> FoundFile:
        job = f"{pin.name}=={pin.version}"
        emit(JobStarted(job=job, action="find"))
        try:
            found = self.find_file(pin.name, pin.version, target)
        except WheelhouseError as error:
            emit(JobFinished(job=job, outcome="failed", detail=error.what))
            raise
        emit(JobFinished(job=job, outcome="done", detail=found.filename))
        return found

    def _candidates(self, name: str, target: Target, *, sdist: bool, mentioning: str = "") -> list[Candidate]:
        from ascend_wheelhouse.origins.judge import Judge  # noqa: PLC0415 - unearth is slow to import, `where` goes without

        judge = Judge(name, target, exclude_newer=self._exclude_newer)
        offered = [
            (number, offer)
            for number, place in enumerate(self._places)
            for offer in self._offers(place, name, mentioning)
        ]
        if not offered:
            raise UnknownProjectError(
                f"No index or find-links place has files of a project named {name!r}.",
                why="The name is misspelt, or this machine's pip is set to an index that lacks it.",
                next_step="check the name and `pip config list`",
            )
        judged = (
            judge.candidate(offer, number, dated=self._places[number].origin != "find-links")
            for number, offer in offered
            if offer.is_wheel != sdist
        )
        return [candidate for candidate in judged if candidate is not None]

    def _offers(
        self, place: _Place, name: str, mentioning: str = "", *, wanted: Wanted | None = None
    ) -> list[Offer]:
        if place.origin == "find-links":
            own = [offer for offer in self._flat_offers(place) if _project(offer) == canonicalize_name(name)]
            return own if wanted is None else [offer for offer in own if wanted(offer.filename)]
        page = self._page(place, name)
        return offers(page, mentioning=mentioning, wanted=wanted) if page else []

    def _page(self, place: _Place, name: str) -> Page | None:
        folder = local_path(place.url)
        url = f"{place.url.rstrip('/')}/{canonicalize_name(name)}/"
        try:
            return self._asked(url if folder is None else f"{url}index.html", accept=ACCEPT)
        except faults.NotFoundError:
            return None

    def _asked(self, url: str, *, accept: str = "*/*") -> Page:
        page = self._http.page(url, accept=accept)
        require_trusted(page.url, self._http.config)  # redirects may have led anywhere
        return page

    def _flat_offers(self, place: _Place) -> list[Offer]:
        with self._guard:
            first = place.url not in self._flat
            future = self._flat.setdefault(place.url, Future())
        if first:
            try:
                future.set_result(self._read_flat(place))
            except BaseException as error:  # else who waits for this page would wait for ever
                future.set_exception(error)
                raise
        return future.result()

    def _read_flat(self, place: _Place) -> list[Offer]:
        folder = local_path(place.url)
        if folder is not None and folder.is_dir():
            return folder_offers(folder)
        return offers(self._asked(place.url if folder is None else folder.absolute().as_uri()))

    def _finished(self, name: str, chosen: Candidate) -> FoundFile:
        offer = chosen.offer
        sha256, size = offer.expected.sha256, offer.expected.size
        if sha256 is None:
            sha256, size = self._http.digest(offer.url)
        if size is None:
            size = self._http.head(offer.url).size
        if size is None:
            _, size = self._http.digest(offer.url)
        self._seen[offer.filename, sha256] = offer.url
        return FoundFile(
            name=name,
            version=str(chosen.version),
            artifact=Artifact(filename=offer.filename, size=size, sha256=sha256),
            url=offer.url,
            yanked=offer.yanked,
            upload_time=offer.upload_time,
            origin=self._places[chosen.place].origin,
        )

    def _no_file(self, name: str, version: str, target: Target) -> NoFileForTargetError:
        known = self.versions(name, target)
        python = f"CPython {target.python[0]}.{target.python[1]}"
        text = f"{name} {version} has no wheel for {target.manylinux}, {python}"
        if newer := self._newer_glibc(name, version, target):
            return NoFileForTargetError(
                f"{text}: it has one for glibc {newer} and newer.",
                why="The wheelhouse is for nodes with an older glibc than that.",
                next_step=f"--glibc {newer} where all nodes have it, or choose another version",
            )
        return NoFileForTargetError(
            f"{text}.",
            why=f"These versions have one: {', '.join(known)}." if known else "No version of it has one.",
            next_step="choose one of those versions" if known else f"build {name} from source by a recipe",
        )

    def _newer_glibc(self, name: str, version: str, target: Target) -> str:
        """Return the oldest glibc for which a version has a wheel that the target is too old for, or nothing."""
        for minor in _NEWER_GLIBC:
            if (2, minor) > target.glibc:
                newer = replace(target, glibc=(2, minor))
                if any(one.version == Version(version) for one in self._candidates(name, newer, sdist=False)):
                    return f"2.{minor}"
        return ""

    def _no_sdist(self, name: str, version: str, target: Target) -> NoFileForTargetError:
        known = sorted({one.version for one in self._candidates(name, target, sdist=True)})
        why = f"The newest that has one is {known[-1]}." if known else "No version of it has one."
        return NoFileForTargetError(
            f"{name} {version} has no source archive on the index.",
            why=why,
            next_step=f"build {name} from another source by its recipe, or choose another version",
        )


def _places(http: Http) -> Iterable[_Place]:
    config = http.config
    for url in (*config.index_urls, *config.find_links):
        require_trusted(http.mirrors.redirect(url), config)
    for number, url in enumerate(config.index_urls):
        yield _Place(url=url, origin="extra-index" if number else "index")
    yield from (_Place(url=url, origin="find-links") for url in config.find_links)


def _project(offer: Offer) -> str:
    return canonicalize_name(
        offer.filename.split("-")[0] if offer.is_wheel else offer.filename.rpartition("-")[0]
    )


def _changed(filename: str, sha256: str, offer: Offer) -> LockedFileChangedError:
    return LockedFileChangedError(
        f"{filename}: the lock says sha256 {sha256}, the index offers {offer.expected.sha256}.",
        why="The file was replaced at the index, or the index is another one than the lock was made from.",
        next_step="compare both with the publisher's own digest, or import the right file: invoke vendor FILE",
    )


def _gone(name: str, filename: str) -> LockedFileGoneError:
    return LockedFileGoneError(
        f"{filename} is not offered for {name} by any index or find-links place.",
        why="It was deleted there, or pip is set to another index here than where the lock was made.",
        next_step="`invoke lock --upgrade {cell}` locks what there is now; or take the file from elsewhere: "
        "`invoke vendor FILE`, or `invoke vendor FOLDER` of an older wheelhouse; or check `pip config list`",
    )
