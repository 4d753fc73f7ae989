"""The question that a resolver answers, and its answer: plain frozen data, the same for every resolver."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Protocol

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

from ascend_wheelhouse.base.artifact import Artifact
from ascend_wheelhouse.cells.target import Target


@dataclass(frozen=True, kw_only=True)
class ExtraIndex:
    """An index beside the configured ones that may supply a few names, and no others.

    Args:
        url: Root of a PEP 503 index, such as `https://download.pytorch.org/whl/cpu`.
        names: The names that it may supply.
    """

    url: str
    names: tuple[str, ...]

    def pages(self) -> dict[NormalizedName, str]:
        """Return the address of the project page of each name."""
        names = (canonicalize_name(name) for name in self.names)
        return {name: f"{self.url.rstrip('/')}/{name}/" for name in names}


@dataclass(frozen=True, kw_only=True)
class ResolveRequest:
    """What is asked for, for which machine.

    Args:
        requirements: PEP 508 requirements, markers evaluated for the target.
        constraints: PEP 508 requirements that bind a name only if something else asks for it.
        excludes: Names kept out of the answer together with what only they need, such as `triton`.
        target: The machine.
        exclude_newer: Leave out files uploaded at this time (UTC) or later; a date means its midnight.
            Local files always pass, and so do files of an extra index that gives no upload times.
        allow_prerelease: Names that may resolve to a pre-release although no requirement names one.
        closed: Names that only `find_links` may supply; the indexes are not asked for them.
        extra_indexes: Indexes for a few names each.
        find_links: Local directories of wheels.
        kept: Pins of an earlier answer, `name==version`, that stay wherever the rest allows it.
    """

    requirements: tuple[str, ...]
    target: Target
    constraints: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    exclude_newer: date | datetime | None = None
    allow_prerelease: tuple[str, ...] = ()
    closed: tuple[str, ...] = ()
    extra_indexes: tuple[ExtraIndex, ...] = ()
    find_links: tuple[Path, ...] = ()
    kept: tuple[str, ...] = ()

    @property
    def cutoff(self) -> datetime | None:
        """The time of `exclude_newer`, in UTC."""
        stated = self.exclude_newer
        if stated is None:
            return None
        if not isinstance(stated, datetime):
            return datetime.combine(stated, time(), tzinfo=UTC)
        return stated.astimezone(UTC) if stated.tzinfo else stated.replace(tzinfo=UTC)

    @property
    def bounds(self) -> tuple[str, ...]:
        """The constraints, with one that admits pre-releases for each name of `allow_prerelease`."""
        return (*self.constraints, *(f"{name}>=0.dev0" for name in self.allow_prerelease))

    @property
    def excluded(self) -> frozenset[NormalizedName]:
        """The excluded names, normalised."""
        return frozenset(canonicalize_name(name) for name in self.excludes)

    @property
    def closed_names(self) -> frozenset[NormalizedName]:
        """The closed names, normalised."""
        return frozenset(canonicalize_name(name) for name in self.closed)

    @property
    def direct(self) -> frozenset[NormalizedName]:
        """The names that the requirements ask for on the target."""
        wanted = (Requirement(line) for line in self.requirements)
        return frozenset(
            canonicalize_name(requirement.name)
            for requirement in wanted
            if requirement.marker is None or requirement.marker.evaluate(self.target.markers)
        )


@dataclass(frozen=True, kw_only=True, order=True)
class Pin:
    """One name at one version.

    Args:
        name: The normalised name.
        version: The version as the resolver wrote it.
        via: The normalised names that need it, sorted; empty if only the requirements themselves do.
        direct: Whether the requirements name it.
    """

    name: str
    version: str
    via: tuple[str, ...] = field(default=(), compare=False)
    direct: bool = field(default=False, compare=False)

    def __str__(self) -> str:
        return f"{self.name}=={self.version}"


@dataclass(frozen=True, kw_only=True)
class Resolution:
    """The answer.

    Args:
        pins: Pins, sorted by name.
        resolver: Which resolver gave them.
        files: Wheels of some pins, all from the main index, that need not be looked for again.
    """

    pins: tuple[Pin, ...]
    resolver: str
    files: tuple[Artifact, ...] = ()

    def versions(self) -> dict[str, str]:
        """Return the version of each name."""
        return {pin.name: pin.version for pin in self.pins}


class Resolver(Protocol):
    """Anything that turns a request into pins."""

    @property
    def name(self) -> str:
        """What `--resolver` calls it."""
        ...

    def resolve(self, request: ResolveRequest) -> Resolution:
        """Return one pin for each name that the target needs.

        Raises:
            ResolveError: No set of versions fits; the text names the requirements in conflict.
            SourceUnreachableError: An index or folder did not answer.
        """
        ...
