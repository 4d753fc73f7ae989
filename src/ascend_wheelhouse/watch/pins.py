"""What the index says now of the files that locks name: newer releases, yanked files, files that are gone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from packaging.version import Version

from ascend_wheelhouse.cells.target import Target
from ascend_wheelhouse.locks.pylock import LockedFile
from ascend_wheelhouse.origins.page import Offer
from ascend_wheelhouse.watch.asking import PublishedFiles
from ascend_wheelhouse.watch.findings import WatchFinding
from ascend_wheelhouse.watch.held import HeldLock, choosing
from ascend_wheelhouse.watch.names import usable, version_or_none, version_text
from ascend_wheelhouse.watch.ranges import Allowed
from ascend_wheelhouse.watch.releases import first_upload, fits_python

_LISTED = {"index", "extra-index", "find-links"}
LOCAL = "find-links"


@dataclass(frozen=True, kw_only=True)
class PinnedFile:
    """One file that a lock names and an index lists.

    Args:
        project: The normalised name of its project.
        version: Its version.
        filename: Its name.
        sha256: Its digest.
        role: What the lock has it for: `wheel`, `source`, or `build environment`.
        held: The lock.
    """

    project: str
    version: str
    filename: str
    sha256: str
    role: str
    held: HeldLock


def pinned_files(locks: Iterable[HeldLock]) -> Iterator[PinnedFile]:
    """Yield every file of locks that came from an index: wheels, build environments, source archives."""
    for held in locks:
        yield from _wheels(held.lock.wheels, "wheel", held)
        for source in held.lock.sources:
            yield from _wheels(source.environment, "build environment", held)
            if source.archive is not None and source.origin == "sdist":
                yield PinnedFile(
                    project=source.component,
                    version=source.version,
                    filename=source.archive.filename,
                    sha256=source.archive.sha256,
                    role="source",
                    held=held,
                )


def _wheels(files: Iterable[LockedFile], role: str, held: HeldLock) -> Iterator[PinnedFile]:
    for one in files:
        if one.origin in _LISTED:
            yield PinnedFile(
                project=one.name,
                version=one.version,
                filename=one.filename,
                sha256=one.sha256,
                role=role,
                held=held,
            )


def spoiled(pins: Iterable[PinnedFile], files: Mapping[str, PublishedFiles]) -> Iterator[WatchFinding]:
    """Yield pinned files that were yanked, that are gone, or that are offered with other bytes."""
    by_file: defaultdict[str, list[PinnedFile]] = defaultdict(list)
    for one in pins:
        by_file[one.filename].append(one)
    for filename, same in sorted(by_file.items()):
        published = files.get(same[0].project, PublishedFiles())
        if not published.known or filename not in published.pinned:
            continue
        offers = [one for one in published.offers if one.filename == filename]
        gone, yanked, reason = [], [], None
        for one in same:  # of one name, locks may have different files
            right = [offer for offer in offers if offer.expected.sha256 in {None, one.sha256}]
            if not right:
                gone += [] if published.silent else [one]
            elif all(offer.yanked for offer in right):
                yanked.append(one)
                reason = reason or right[0]
        if gone:
            yield _gone(gone, offers)
        if reason:
            yield _yanked(yanked, reason)


def _gone(pins: list[PinnedFile], offers: list[Offer]) -> WatchFinding:
    first = pins[0]
    told = "is offered with other bytes than the locks say" if offers else "is offered by no index any more"
    digest = offers[0].expected.sha256 if offers else ""
    return _of(
        "vanished",
        pins,
        text=f"{first.filename} ({first.role}) {told}.",
        facts={"filename": first.filename, "sha256": first.sha256, "offered": digest},
    )


def _yanked(pins: list[PinnedFile], offer: Offer) -> WatchFinding:
    why = f": {offer.yank_reason}" if offer.yank_reason else ", without a reason"
    return _of(
        "yanked",
        pins,
        text=f"{offer.filename} ({pins[0].role}) was yanked{why}",
        facts={"filename": offer.filename, "reason": offer.yank_reason},
    )


def _of(kind: str, pins: list[PinnedFile], *, text: str, facts: dict[str, object]) -> WatchFinding:
    first = pins[0]
    held = list({one.held.name: one.held for one in pins}.values())
    return WatchFinding(
        kind="yanked" if kind == "yanked" else "vanished",
        of="wheel",
        component=first.project,
        before=first.version,
        stacks=tuple(sorted({one.stack for one in held} - {""})),
        locks=tuple(one.name for one in held),
        text=text,
        command=f"invoke watch --apply --only {first.project}{choosing(held)}",
        facts=facts,
        about=first.filename,
    )


def newer_wheels(
    locks: Iterable[HeldLock], files: Mapping[str, PublishedFiles], allowed: Mapping[str, Allowed]
) -> Iterator[WatchFinding]:
    """Yield the newest release since each lock, inside what that allows, of every wheel that is no component's.

    Args:
        locks: The locks.
        files: What the index has.
        allowed: What each lock allows, by its name.
    """
    found: defaultdict[tuple[str, str, str], list[HeldLock]] = defaultdict(list)
    uploads: dict[tuple[str, str, str], str] = {}
    candidates = Candidates(files)
    for held in locks:
        for wheel in held.lock.wheels:
            if wheel.component is None and wheel.origin in _LISTED - {LOCAL}:
                best = _best(wheel, held, candidates, allowed[held.name])
                if best is not None:
                    key = (wheel.name, wheel.version, str(best[0]))
                    found[key].append(held)
                    uploads[key] = first_upload(best[1])
    for (name, before, after), held_by in found.items():
        yield WatchFinding(
            kind="new",
            of="wheel",
            component=name,
            before=before,
            after=after,
            published=uploads[name, before, after],
            stacks=tuple(sorted({one.stack for one in held_by} - {""})),
            locks=tuple(one.name for one in held_by),
            text="a newer release inside the range that the locks allow",
            command=f"invoke watch --apply --only {name}{choosing(held_by)}",
        )


class Candidates:
    """The releases of each project that one kind of node can use, worked out once for all locks of that kind.

    Args:
        files: What the index has.
    """

    def __init__(self, files: Mapping[str, PublishedFiles]) -> None:
        self._files = files
        self._known: dict[tuple[object, ...], list[tuple[Version, list[Offer]]]] = {}

    def of(self, name: str, target: Target) -> list[tuple[Version, list[Offer]]]:
        """Return releases with the wheels that fit, newest first."""
        key = (name, target.machine, target.glibc, target.python)
        if key not in self._known:
            found: defaultdict[Version, list[Offer]] = defaultdict(list)
            for one in self._files.get(name, PublishedFiles()).offers:
                if not one.yanked and usable(one.filename, target) and fits_python(one, target):
                    found[version_or_none(version_text(one.filename)) or Version("0")].append(one)
            self._known[key] = sorted(found.items(), key=lambda pair: pair[0], reverse=True)
        return self._known[key]


def _best(
    wheel: LockedFile, held: HeldLock, candidates: Candidates, allowed: Allowed
) -> tuple[Version, list[Offer]] | None:
    """Return the newest release that a lock could take in a wheel's place; None where it has that."""
    locked = Version(wheel.version)
    for version, offers in candidates.of(wheel.name, held.target):
        if version <= locked:
            return None
        right = locked.is_prerelease or not version.is_prerelease
        if right and _since(offers, held) and allowed.holds(wheel.name, str(version)):
            return version, offers
    return None


def _since(offers: list[Offer], held: HeldLock) -> bool:
    """Tell whether a release came after a lock was made: what the resolver had before it, it passed over."""
    times = [one.upload_time for one in offers if one.upload_time]
    return held.since is None or not times or min(times) >= held.since
