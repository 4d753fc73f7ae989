"""Moving a few wheels of a lock: what is not named stays, but where what is named asks for something else.

The lock's own inputs are asked again. So no component is looked for, and its sources, payloads and pending parts stay
as they are, on a host as well that reaches none of their origins.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from ascend_wheelhouse.base.errors import UsageError
from ascend_wheelhouse.base.events import Emit, Stage, silent
from ascend_wheelhouse.cells.cutoff import cutoff
from ascend_wheelhouse.cells.target import Target
from ascend_wheelhouse.locks.lock import Lock
from ascend_wheelhouse.locks.pylock import LockedFile
from ascend_wheelhouse.node.errors import CELL
from ascend_wheelhouse.node.scratch import scratch
from ascend_wheelhouse.origins.http import Http
from ascend_wheelhouse.origins.index import Finder, IndexPin
from ascend_wheelhouse.pin.locking import locked_file
from ascend_wheelhouse.pin.resolving import resolved
from ascend_wheelhouse.resolve.request import ExtraIndex, Pin, Resolution, Resolver, ResolveRequest
from ascend_wheelhouse.store.store import Store

_LISTED = {"index", "find-links", "extra-index"}


class NotMovedAloneError(UsageError):
    """What was named is no wheel that a lock can move by itself."""


@dataclass(frozen=True, kw_only=True)
class Moving:
    """How wheels of a lock are moved.

    Args:
        lock: The lock.
        target: The nodes that it is for.
        resolver: Chooses versions.
        http: The HTTP client.
        store: Where imported wheels lie.
        until: Uploads after this time (UTC) are left out; those that the lock may hold never are. All count when None.
        emit: Told of the progress.
    """

    lock: Lock
    target: Target
    resolver: Resolver
    http: Http
    store: Store
    until: datetime | None = None
    emit: Emit = silent

    def moved(self, named: Sequence[str]) -> Lock:
        """Return the lock with the wheels that are named at a version of their own, or at the newest that fits.

        Args:
            named: `NAME`, or `NAME==VERSION`.

        Raises:
            NotMovedAloneError: One of them is no wheel of the lock, is a component, or is named twice.
            NoFileForTargetError: The index has no such version for the target.
            WheelhouseError: The resolver or the index failed.
        """
        asked = [self._wanted(text) for text in named]
        wanted = {canonicalize_name(one.name): one for one in asked}
        if len(wanted) < len(asked):
            raise _named_twice(asked)
        stated = [_stated(one) for one in wanted.values() if one.specifier]
        self._finder.find_all(stated, self.target)  # says which versions there are, where one is none of them
        with self._imported() as folder:
            request = self._request(folder)
            self.emit(Stage(name="resolve"))
            bound = (*request.constraints, *self._bound(wanted, request))
            request = replace(request, constraints=bound, kept=pins_of(self.lock, but=wanted))
            resolution = resolved(self.resolver, request, self.http, self.emit)
        # What it knows of the index stays as well: of what was not named, it knows no more than before.
        inputs = replace(self.lock.inputs, resolver=self.resolver.name)
        return replace(self.lock, wheels=self._pinned(resolution), inputs=inputs)

    def _wanted(self, text: str) -> Requirement:
        try:
            wanted = Requirement(text)
        except InvalidRequirement:
            wanted = None
        if wanted is None or not _is_plain(wanted):
            raise NotMovedAloneError(
                f"{text!r} names no wheel and version.",
                next_step=f"invoke lock --upgrade-package NAME==VERSION {CELL}",
                why="It is written NAME, or NAME==VERSION.",
            )
        name = canonicalize_name(wanted.name)
        wheel = next((one for one in self.lock.installed if one.name == name), None)
        if wheel is None:
            names = [one.name for one in self.lock.wheels if one.component is None]
            near = difflib.get_close_matches(name, names, n=1)
            raise NotMovedAloneError(
                f"The lock has no wheel of {name}.",
                why="Only what is locked can move alone.",
                next_step=f"invoke lock --upgrade-package {near[0] if near else 'NAME'} {CELL}",
            )
        if wheel.component is not None:
            raise NotMovedAloneError(
                f"{name} is a component: the stack says its version.",
                why="What belongs together with it would stay behind.",
                next_step=f"`invoke watch --only {wheel.component}` says what there is",
            )
        return wanted

    @property
    def _until(self) -> datetime | None:
        known = cutoff(self.lock.inputs.exclude_newer)
        return max(self.until, known) if self.until and known else self.until

    @property
    def _finder(self) -> Finder:
        return Finder(self.http, exclude_newer=self._until)

    def _request(self, folder: Path) -> ResolveRequest:
        """Return what was asked when the lock was made, by what is known of the index now."""
        inputs = self.lock.inputs
        return ResolveRequest(
            requirements=inputs.requirements,
            constraints=inputs.constraints,
            excludes=inputs.excludes,
            closed=inputs.closed,
            target=self.target,
            exclude_newer=self._until,
            extra_indexes=tuple(
                ExtraIndex(url=one["url"], names=tuple(one["names"])) for one in inputs.extra_indexes
            ),
            find_links=(folder,),
        )

    def _bound(self, wanted: Mapping[NormalizedName, Requirement], request: ResolveRequest) -> list[str]:
        """Return a bound for each wheel that moves: to the version that a whole new lock takes, where none is said.

        Without it a resolver keeps a wheel back for the sake of the pins that stay.
        """
        bound = [str(one) for one in wanted.values() if one.specifier]
        if len(bound) < len(wanted):
            request = replace(request, constraints=(*request.constraints, *bound))
            newest = resolved(self.resolver, request, self.http, self.emit).versions()
            free = [name for name, one in wanted.items() if not one.specifier]
            bound += [f"{name}=={newest[name]}" for name in free if name in newest]
        return bound

    @contextmanager
    def _imported(self) -> Iterator[Path]:
        """A folder with the wheels that no index has, for the resolver to read."""
        with scratch() as folder:
            for one in apart(self.lock):
                (folder / one.filename).symlink_to(self.store.path(one.sha256))
            yield folder

    def _pinned(self, resolution: Resolution) -> tuple[LockedFile, ...]:
        """Return a file for each pin: the lock's own where its version stayed."""
        before = {one.name: one for one in self.lock.wheels}
        found = {one.name: one for one in map(LockedFile.of, resolution.files)}
        moved = [pin for pin in resolution.pins if not _stands(before.get(pin.name), pin)]
        rest = [IndexPin(name=pin.name, version=pin.version) for pin in moved if pin.name not in found]
        offered = self._finder.find_all(rest, self.target)
        found |= {pin.name: locked_file(one) for pin, one in zip(rest, offered, strict=True)}
        known = before | {pin.name: found[pin.name] for pin in moved}
        every = [replace(known[pin.name], via=pin.via) for pin in resolution.pins]
        return tuple(sorted(every, key=lambda file: file.name))


def _is_plain(wanted: Requirement) -> bool:
    """Tell whether a requirement is a name, or a name with one version and no more."""
    versions = list(wanted.specifier)
    exact = all(one.operator == "==" and not one.version.endswith(".*") for one in versions)
    return exact and len(versions) <= 1 and not (wanted.extras or wanted.marker or wanted.url)


def _named_twice(asked: Sequence[Requirement]) -> NotMovedAloneError:
    names = [canonicalize_name(one.name) for one in asked]
    (name, times), *_ = Counter(names).most_common()
    each = ", ".join(str(one) for one, known in zip(asked, names, strict=True) if known == name)
    return NotMovedAloneError(
        f"{name} is named {times} times: {each}.",
        why="A lock holds one version of it.",
        next_step=f"invoke lock --upgrade-package {each.partition(',')[0]} {CELL}",
    )


def _stated(wanted: Requirement) -> IndexPin:
    (only,) = wanted.specifier
    return IndexPin(name=wanted.name, version=only.version)


def _stands(file: LockedFile | None, pin: Pin) -> bool:
    """Tell whether the file of a lock is still the one for a pin; no index decides on a component's."""
    return file is not None and (file.component is not None or Version(file.version) == Version(pin.version))


def pins_of(lock: Lock, *, but: Collection[str] = ()) -> tuple[str, ...]:
    """Return the pins of a lock that are no component's, without some names."""
    wheels = (one for one in lock.wheels if one.component is None and one.name not in but)
    return tuple(f"{one.name}=={one.version}" for one in wheels)


def apart(lock: Lock) -> list[LockedFile]:
    """Return the wheels of a lock that no index offers: a resolver has to be given them."""
    return [one for one in lock.wheels if one.origin not in _LISTED]
