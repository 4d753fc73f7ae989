"""Asking the index for every watched project at once; what does not answer is told, and its last answer is used."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from packaging.version import Version

from ascend_wheelhouse.base.clock import Clock, SystemClock
from ascend_wheelhouse.base.errors import WheelhouseError
from ascend_wheelhouse.base.events import Emit, JobFinished, JobStarted, Outcome
from ascend_wheelhouse.base.waiting import asking
from ascend_wheelhouse.origins.faults import OriginError
from ascend_wheelhouse.origins.index import Finder
from ascend_wheelhouse.origins.page import Offer
from ascend_wheelhouse.watch.findings import ANSWERED, LEFT_OUT, UNASKED
from ascend_wheelhouse.watch.known_pages import KnownPage, index_digest, read_known, write_known
from ascend_wheelhouse.watch.names import version_or_none, version_text

_WORKERS = 24
NEVER = f"{UNASKED}, and this index was not asked for it before"
UNLISTED = f"{ANSWERED}, and has no file of any project: it is another place, or an index of other projects"


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is to be known of a project.

    Args:
        project: Its normalised name.
        pinned: Names of locked files.
        floor: Files of versions above this one count.
        own: Indexes that recipes name for it.
    """

    project: str
    pinned: frozenset[str] = frozenset()
    floor: Version | None = None
    own: tuple[str, ...] = ()

    def wants(self, filename: str) -> bool:
        """Tell whether a file counts."""
        if filename in self.pinned:
            return True
        version = version_or_none(version_text(filename))
        return version is not None and (self.floor is None or version > self.floor)


@dataclass(frozen=True, kw_only=True)
class PublishedFiles:
    """What the places have of a project.

    Args:
        offers: The files that count, of every place that answered.
        pinned: The locked files that were looked for; nothing is known of others.
        asked: When the answer came (RFC 3339), empty where there is none.
        silent: Why a place could not be asked, by place; `index` is pip's own.
        listed: Whether pip's own places, asked now, name any file of it, one that counts or another.
    """

    offers: tuple[Offer, ...] = ()
    pinned: frozenset[str] = frozenset()
    asked: str = ""
    silent: Mapping[str, str] = field(default_factory=dict)
    listed: bool = False

    @property
    def known(self) -> bool:
        """Whether pip's own places answered, now or before."""
        return bool(self.asked)

    @property
    def fresh(self) -> bool:
        """Whether pip's own places answered for it, and no earlier answer takes the place of one."""
        return self.known and "index" not in self.silent


@dataclass(frozen=True, kw_only=True)
class Asking:
    """How projects are asked for.

    Args:
        finder: Knows the places.
        places: The URLs of pip's own places.
        kept: The file with the last answers.
        offline: Ask nobody.
        emit: Told of each project.
        clock: Says when an answer came.
    """

    finder: Finder
    places: Sequence[str]
    kept: Path
    emit: Emit
    offline: bool = False
    clock: Clock = field(default_factory=SystemClock)

    def ask_all(self, questions: Iterable[Question]) -> dict[str, PublishedFiles]:
        """Return what is published of each project; no failure ends it."""
        known = read_known(self.kept)
        asked = sorted(questions, key=lambda one: one.project)
        with asking(_WORKERS, "watch") as pool:
            found = dict(
                zip(
                    (one.project for one in asked),
                    pool.map(lambda one: self._ask(one, known), asked),
                    strict=True,
                )
            )
        if self.offline:
            return found
        if any(one.listed for one in found.values()):
            digest = index_digest(self.places)
            fresh = {
                one.project: _noted(one, found[one.project], digest)
                for one in asked
                if found[one.project].fresh
            }
            write_known(self.kept, {**known, **fresh})
            return found
        return {one.project: self._unlisted(one, found[one.project], known) for one in asked}

    def _ask(self, question: Question, known: Mapping[str, KnownPage]) -> PublishedFiles:
        name = question.project
        self.emit(JobStarted(job=name, action="ask"))
        found = self._last(question, known, NEVER) if self.offline else self._now(question, known)
        last: Outcome = "cached" if self.offline and found.known else "done"
        outcome: Outcome = ("skipped" if self.offline else "failed") if found.silent else last
        self.emit(JobFinished(job=name, outcome=outcome, detail="; ".join(found.silent.values())))
        return found

    def _unlisted(
        self, question: Question, found: PublishedFiles, known: Mapping[str, KnownPage]
    ) -> PublishedFiles:
        """Return what is known where no project has a file: that is another place than an index, not an answer."""
        return found if "index" in found.silent else self._last(question, known, UNLISTED)

    def _now(self, question: Question, known: Mapping[str, KnownPage]) -> PublishedFiles:
        silent: dict[str, str] = {}
        offers: list[Offer] = []
        listed: list[str] = []

        def wanted(filename: str) -> bool:
            listed.append(filename)
            return question.wants(filename)

        try:
            offers += self.finder.published(question.project, wanted)
        except WheelhouseError as error:
            return self._last(question, known, short(error))
        for index in question.own:
            try:
                offers += self.finder.published(question.project, question.wants, index=index)
            except WheelhouseError as error:
                silent[index] = short(error)
        return PublishedFiles(
            offers=tuple(offers),
            pinned=question.pinned,
            asked=self._now_text(),
            silent=silent,
            listed=bool(listed),
        )

    def _now_text(self) -> str:
        return datetime.fromtimestamp(self.clock.wall(), UTC).isoformat(timespec="seconds")

    def _last(self, question: Question, known: Mapping[str, KnownPage], why: str) -> PublishedFiles:
        """Return what the same places said before of the same question, as far as they were asked it."""
        page = known.get(question.project)
        if page is None or page.index != index_digest(self.places):
            return PublishedFiles(silent={"index": why})
        reached = version_or_none(page.floor)
        if page.floor and (reached is None or question.floor is None or reached > question.floor):
            return PublishedFiles(silent={"index": why})
        offers = tuple(one for one in page.offers if question.wants(one.filename))
        silent = {index: self._never(index) for index in question.own if index not in page.own}
        silent |= {} if self.offline else {"index": f"{why}; its answer of {page.asked} is used"}
        return PublishedFiles(offers=offers, pinned=page.pinned, asked=page.asked, silent=silent)

    def _never(self, index: str) -> str:
        """Return why nothing is known of a recipe's own index, whose last answer is not kept."""
        if self.offline:
            return f"{UNASKED}, and {index} did not answer for it before"
        return f"{LEFT_OUT}, since pip's own index did not answer for it"


def _noted(question: Question, found: PublishedFiles, digest: str) -> KnownPage:
    return KnownPage(
        asked=found.asked,
        index=digest,
        floor=str(question.floor or ""),
        pinned=question.pinned,
        offers=found.offers,
        own=tuple(one for one in question.own if one not in found.silent),
    )


def short(error: WheelhouseError) -> str:
    """Return why a place could not be asked: the host, and the kind of fault."""
    if isinstance(error, OriginError):
        host = urlsplit(error.url).hostname or "file"
        return f"{host}: {error.why or error.what}".rstrip(".")
    return error.what.rstrip(".")
