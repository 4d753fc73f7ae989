"""Which versions a lock would allow a name: what its inputs ask for, and what its other wheels say that they need.

What a wheel needs stands in its METADATA, which is read once and kept by the wheel's digest, where the resolver keeps
it too. A wheel whose METADATA cannot be had bounds nothing, and is counted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from email.parser import BytesHeaderParser

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from ascend_wheelhouse.base.errors import WheelhouseError
from ascend_wheelhouse.base.events import Emit, JobFinished, JobStarted, Stage
from ascend_wheelhouse.base.waiting import asking
from ascend_wheelhouse.cells.target import Target
from ascend_wheelhouse.locks.pylock import LockedFile
from ascend_wheelhouse.resolve.metadata import MetadataReader, RemoteWheel
from ascend_wheelhouse.watch.held import HeldLock

_WORKERS = 24
Needs = Mapping[str, tuple[Requirement, ...]]
"""What each wheel needs, by its sha256."""


@dataclass(frozen=True, kw_only=True)
class Allowed:
    """The versions that a lock allows.

    Args:
        bounds: Every specifier of each name.
        unread: Wheels whose needs are not known.
    """

    bounds: Mapping[str, SpecifierSet] = field(default_factory=dict)
    unread: tuple[str, ...] = ()

    def holds(self, name: str, version: str) -> bool:
        """Tell whether a version of a name is inside."""
        bounds = self.bounds.get(name)
        return bounds is None or bounds.contains(version)


def read_needs(
    wheels: Iterable[LockedFile], urls: Mapping[str, str], reader: MetadataReader, emit: Emit
) -> Needs:
    """Return what wheels need, by their sha256; one whose METADATA cannot be had is left out.

    Args:
        wheels: The wheels.
        urls: Where each file is, by its sha256; one without can be read where it was kept.
        reader: Reads and keeps METADATA.
        emit: Told that it goes on.
    """
    distinct = {one.sha256: one for one in wheels}
    emit(Stage(name="read what wheels need", jobs=len(distinct)))

    def read(wheel: LockedFile) -> tuple[str, bytes | None]:
        emit(JobStarted(job=wheel.filename, action="read"))
        url = urls.get(wheel.sha256, f"unknown:///{wheel.filename}")
        try:
            data = reader.read(RemoteWheel(url=url, sha256=wheel.sha256, size=wheel.size))
        except WheelhouseError:
            emit(JobFinished(job=wheel.filename, outcome="skipped"))
            return wheel.sha256, None
        emit(JobFinished(job=wheel.filename, outcome="done"))
        return wheel.sha256, data

    with asking(_WORKERS, "needs") as pool:
        found = list(pool.map(read, distinct.values()))
    return {sha256: tuple(_requirements(data)) for sha256, data in found if data is not None}


def _requirements(metadata: bytes) -> Iterator[Requirement]:
    for line in BytesHeaderParser().parsebytes(metadata).get_all("Requires-Dist", ()):
        try:
            yield Requirement(str(line))
        except InvalidRequirement:
            continue


class Ranges:
    """What locks allow; what holds of a wheel's needs on one kind of node is worked out once for all of them.

    Args:
        needs: What each wheel needs.
    """

    def __init__(self, needs: Needs) -> None:
        self._needs = needs
        self._holding: dict[tuple[object, ...], tuple[Requirement, ...]] = {}

    def of(self, held: HeldLock) -> Allowed:
        """Return what a lock allows each of its names; what its built wheels need stands among its inputs."""
        inputs, wheels = held.lock.inputs, held.lock.wheels
        asked = [
            one
            for one in _readable((*inputs.requirements, *inputs.constraints))
            if _holds(one, held.target, {""})
        ]
        extras: defaultdict[str, set[str]] = defaultdict(lambda: {""})
        while True:  # an extra that one wheel asks another for may ask for further ones
            before = sum(map(len, extras.values()))
            every = list(asked)
            for wheel in wheels:
                every += self._of_wheel(wheel.sha256, held.target, extras[wheel.name])
            for requirement in every:
                extras[canonicalize_name(requirement.name)] |= requirement.extras
            if sum(map(len, extras.values())) == before:
                break
        bounds: defaultdict[str, SpecifierSet] = defaultdict(SpecifierSet)
        for requirement in every:
            bounds[canonicalize_name(requirement.name)] &= requirement.specifier
        unread = tuple(one.filename for one in wheels if one.sha256 not in self._needs)
        return Allowed(bounds=dict(bounds), unread=unread)

    def _of_wheel(self, sha256: str, target: Target, extras: set[str]) -> tuple[Requirement, ...]:
        key = (sha256, target.machine, target.python, frozenset(extras))
        if key not in self._holding:
            needs = self._needs.get(sha256, ())
            self._holding[key] = tuple(one for one in needs if _holds(one, target, extras))
        return self._holding[key]


def _readable(lines: Iterable[str]) -> Iterator[Requirement]:
    for line in lines:
        try:
            yield Requirement(line)
        except InvalidRequirement:
            continue


def _holds(requirement: Requirement, target: Target, extras: Iterable[str]) -> bool:
    marker = requirement.marker
    return marker is None or any(marker.evaluate({**target.markers, "extra": one}) for one in extras)
