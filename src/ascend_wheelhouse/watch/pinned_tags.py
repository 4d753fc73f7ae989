"""What git hosts say now of the tags that locks name: one that names another commit, and one that is gone.

A lock holds the commit and the digest of its files, and builds from nothing else. A tag that moved is still told:
upstream may have withdrawn what it named, and a new lock would take the other commit.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ascend_wheelhouse.watch.findings import WatchFinding, is_asked, not_known
from ascend_wheelhouse.watch.held import HeldLock
from ascend_wheelhouse.watch.tags import Tags

_TAG = "tag"


@dataclass(frozen=True, kw_only=True)
class PinnedTag:
    """A tag that a source of a lock was taken from.

    Args:
        component: What is built from it.
        version: Its version.
        url: The repository.
        tag: The tag.
        commit: What it named when the lock was made.
    """

    component: str
    version: str
    url: str
    tag: str
    commit: str


def pinned_tags(locks: Iterable[HeldLock]) -> dict[PinnedTag, list[HeldLock]]:
    """Return every tag that locks name, their own and those of repositories placed in a source, with those locks."""
    found: defaultdict[PinnedTag, list[HeldLock]] = defaultdict(list)
    for held in locks:
        for source in held.lock.sources:
            trees = [source.build.get("git"), *(row["git"] for row in source.build.get("repositories", ()))]
            for tree in (one for one in trees if one and one["kind"] == _TAG):
                top = tree["modules"][0]
                pinned = PinnedTag(
                    component=source.component,
                    version=source.version,
                    url=top["url"],
                    tag=tree["ref"],
                    commit=top["commit"],
                )
                found[pinned].append(held)
    return found


def moved_tags(pinned: dict[PinnedTag, list[HeldLock]], tags: Tags) -> Iterator[WatchFinding]:
    """Yield the tags that name another commit than locks hold, or are gone, and the hosts that did not say."""
    for one, locks in pinned.items():
        known = tags.commits.get(one.url)
        if one.url in tags.silent:
            yield _silent(one, locks, tags.silent[one.url])
        elif known is not None and known.get(one.tag) != one.commit:
            yield _finding(one, locks, known.get(one.tag, ""))


def _silent(one: PinnedTag, locks: list[HeldLock], why: str) -> WatchFinding:
    return WatchFinding(
        kind="unreachable",
        of="component",
        component=one.component,
        stacks=_stacks(locks),
        locks=tuple(held.name for held in locks),
        text=not_known(why),
        facts={"place": one.url, "asked": is_asked(why)},
        about=one.url.removeprefix("https://"),
    )


def _stacks(locks: list[HeldLock]) -> tuple[str, ...]:
    return tuple(sorted({held.stack for held in locks} - {""}))


def _finding(one: PinnedTag, locks: list[HeldLock], now: str) -> WatchFinding:
    moved = f"names commit {now} now, and the locks hold {one.commit}. A new lock takes the other one"
    gone = f"is gone; the locks hold its commit {one.commit}. Keep a wheelhouse that carries it"
    return WatchFinding(
        kind="vanished",
        of="component",
        component=one.component,
        before=one.version,
        stacks=_stacks(locks),
        locks=tuple(held.name for held in locks),
        text=f"The tag {one.tag} of {one.url} {moved if now else gone}.",
        command=f"invoke lock --upgrade {locks[0].words}" if now else "",
        facts={"tag_name": one.tag, "url": one.url, "commit": one.commit, "offered": now},
        about=f"{one.url.removeprefix('https://')}@{one.tag}",
    )
