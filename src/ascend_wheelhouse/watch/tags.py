"""Which releases git hosts have of the components, by the tags that their recipes' origins name.

`git ls-remote` tells names and commits, and no times: a tag says when it was made only to those who fetch it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ascend_wheelhouse.base.errors import WheelhouseError
from ascend_wheelhouse.base.events import Emit, JobFinished, JobStarted
from ascend_wheelhouse.base.waiting import asking
from ascend_wheelhouse.cells.recipe import ArchiveOrigin, GitOrigin, Recipe
from ascend_wheelhouse.origins.git import tags_of
from ascend_wheelhouse.origins.mirrors import Mirrors
from ascend_wheelhouse.watch.asking import short
from ascend_wheelhouse.watch.findings import ANSWERED, UNASKED
from ascend_wheelhouse.watch.names import version_or_none

_WORKERS = 8
_RELEASES = re.compile(r"(https://github\.com/[\w.-]+/[\w.-]+)/releases/download/(?P<tag>[^/]*)/.*")
_VERSION = "{version}"
OFFLINE = f"{UNASKED}: git hosts were not asked"


@dataclass(frozen=True, kw_only=True)
class TagPlace:
    """A repository, and how its tags are written: `v{version}`."""

    url: str
    template: str

    def version(self, tag: str) -> str:
        """Return the version that a tag is of, empty where it is none's."""
        start, _, end = self.template.partition(_VERSION)
        if not (tag.startswith(start) and tag.endswith(end) and len(tag) > len(start) + len(end)):
            return ""
        text = tag[len(start) : len(tag) - len(end)]
        return text if version_or_none(text) is not None else ""


@dataclass(frozen=True, kw_only=True)
class Tags:
    """What the git hosts said.

    Args:
        of: The versions that each place has tags of.
        commits: The commit of each tag of a repository, by its URL.
        silent: Why a repository could not be asked, by its URL.
    """

    of: Mapping[TagPlace, tuple[str, ...]] = field(default_factory=dict)
    commits: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    silent: Mapping[str, str] = field(default_factory=dict)


def tag_place(recipe: Recipe) -> TagPlace | None:
    """Return where the tags of a component are, None where its recipe names none: of GitHub's releases also."""
    for origin in recipe.origins:
        if isinstance(origin, GitOrigin) and _VERSION in origin.ref:
            return TagPlace(url=origin.url, template=origin.ref)
        if isinstance(origin, ArchiveOrigin) and (found := _RELEASES.fullmatch(origin.url)):
            return TagPlace(url=f"{found[1]}.git", template=found["tag"])
    return None


def ask_tags(
    places: Iterable[TagPlace],
    mirrors: Mirrors,
    emit: Emit,
    *,
    locked: Iterable[str] = (),
    offline: bool = False,
) -> Tags:
    """Ask each repository once for its tags; no failure ends it.

    Args:
        places: Those that recipes name.
        mirrors: The redirections of the project.
        emit: Told of each repository.
        locked: The URLs of further ones, of which locks name a tag.
        offline: Ask nobody.
    """
    places = set(places)
    urls = sorted({*(one.url for one in places), *locked})
    if offline:
        return Tags(silent=dict.fromkeys(urls, OFFLINE))
    with asking(_WORKERS, "tags") as pool:
        answers = dict(zip(urls, pool.map(lambda url: _asked(url, mirrors, emit), urls), strict=True))
    of = {
        place: tuple(filter(None, map(place.version, found)))
        for place in places
        if isinstance(found := answers[place.url], dict)
    }
    silent = {url: found for url, found in answers.items() if isinstance(found, str)}
    empty = {place.url: place.template for place, found in of.items() if not found}
    told = {place.url for place, found in of.items() if found}
    silent |= {
        url: f"{ANSWERED}, and has no tag like {template}: an empty mirror, or another repository"
        for url, template in empty.items()
        if url not in told
    }
    commits = {url: found for url, found in answers.items() if isinstance(found, dict)}
    return Tags(of=of, commits=commits, silent=silent)


def _asked(url: str, mirrors: Mirrors, emit: Emit) -> dict[str, str] | str:
    """Return the commits of a repository's tags, or why they are not known."""
    emit(JobStarted(job=url, action="ask"))
    try:
        found = tags_of(url, mirrors)
    except WheelhouseError as error:
        emit(JobFinished(job=url, outcome="failed", detail=short(error)))
        return short(error)
    emit(JobFinished(job=url, outcome="done"))
    return found
