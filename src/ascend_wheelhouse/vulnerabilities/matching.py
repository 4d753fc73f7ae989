"""Whether a record of OSV touches a version, by the schema's own evaluation, and what that means for a person.

A local version (`2.13.0+cpu`) counts as its public one: databases name what upstream published, and by PEP 440 it would
lie above `last_affected: 2.13.0`. Only where a record itself names a local version (`fixed: 2.13.0+fix1`) it counts as
written.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from packaging.version import Version

from ascend_wheelhouse.vulnerabilities.record import Affected, Event, OsvRecord, version_of

_ORDER = ("GHSA-", "PYSEC-")


@dataclass(frozen=True, kw_only=True)
class KnownVulnerability:
    """One vulnerability of a version, whatever number of records tell of it.

    Args:
        id: The first of its identifiers: GitHub's, else PyPA's, else the first by letters.
        aliases: Every other identifier.
        summary: One line, may be empty.
        severity: A word such as `high`, else a CVSS vector, else empty.
        published: When it was published, as its record writes it; may be empty.
        fixed: The first version above this one that is fixed, by each range that has one; empty where none is known.
            One that another record of the vulnerability touches is none, unless that goes for every one.
        malicious: Whether the release itself is malware (identifiers `MAL-`).
    """

    id: str
    aliases: tuple[str, ...]
    summary: str
    severity: str
    published: str
    fixed: tuple[str, ...]
    malicious: bool = False

    def as_dict(self) -> dict[str, object]:
        """Return what `--json` prints."""
        return asdict(self)


def touches(affected: Affected, version: str) -> bool:
    """Tell whether what a record says of a project holds for one version of it; a text that is no version: never."""
    parsed = version_of(version)
    if parsed is None:
        return False
    named = {version_of(one) for one in affected.versions}
    return not named.isdisjoint({parsed, Version(parsed.public)}) or any(
        _within(one, parsed) for one in affected.ranges
    )


def _within(events: Sequence[Event], version: Version) -> bool:
    public = Version(version.public)
    limits = [one.version for one in events if one.kind == "limit"]
    if limits and not any(one is None or public < one for one in limits):
        return False
    inside, whole = False, version
    for event in events:
        at = event.version
        version = whole if at is not None and at.local else public
        if event.kind == "introduced" and (at is None or version >= at):
            inside = True
        elif at is not None and (
            (event.kind == "fixed" and version >= at) or (event.kind == "last_affected" and version > at)
        ):
            inside = False
    return inside


def _fixes(affected: Affected, version: Version) -> set[Version]:
    """Return the first fix above a version of each range that holds it; where only the list names it, of every one."""
    holding = [one for one in affected.ranges if _within(one, version)] or affected.ranges
    found: set[Version] = set()
    for events in holding:
        above = [
            one.version for one in events if one.kind == "fixed" and one.version and one.version > version
        ]
        found |= set(above[:1])
    return found


def known_of(records: Iterable[OsvRecord], project: str, version: str) -> list[KnownVulnerability]:
    """Return the vulnerabilities that records tell of a version, by identifier; withdrawn records tell nothing.

    Args:
        records: Any records.
        project: The project's normalised name.
        version: Its version.
    """
    touching = [
        one
        for one in records
        if not one.withdrawn
        and any(each.project == project and touches(each, version) for each in one.affected)
    ]
    return sorted((_merged(group, project, version) for group in _groups(touching)), key=lambda one: one.id)


def _groups(records: Iterable[OsvRecord]) -> list[list[OsvRecord]]:
    """Return records by vulnerability: those that share an identifier or an alias are of one."""
    groups: list[tuple[set[str], list[OsvRecord]]] = []
    for record in records:
        names = {record.id, *record.aliases}
        same = [group for group in groups if group[0] & names]
        groups = [group for group in groups if not group[0] & names]
        merged = [one for _, members in same for one in members]
        groups.append((names.union(*(group[0] for group in same)), [*merged, record]))
    return [members for _, members in groups]


def _rank(name: str) -> tuple[int, str]:
    return next((at for at, start in enumerate(_ORDER) if name.startswith(start)), len(_ORDER)), name


def _merged(records: Sequence[OsvRecord], project: str, version: str) -> KnownVulnerability:
    ordered = sorted(records, key=lambda one: _rank(one.id))
    names = {name for one in ordered for name in (one.id, *one.aliases)}
    touched = [
        each for one in ordered for each in one.affected if each.project == project and touches(each, version)
    ]
    stated = {fix for each in touched for fix in _fixes(each, Version(version))}
    about = [each for one in ordered for each in one.affected if each.project == project]
    fixed = {fix for fix in stated if not any(touches(each, str(fix)) for each in about)} or stated
    severities = [*(one.severity for one in ordered), *(each.severity for each in touched)]
    return KnownVulnerability(
        id=ordered[0].id,
        aliases=tuple(sorted(names - {ordered[0].id}, key=_rank)),
        summary=next((one.summary for one in ordered if one.summary), ""),
        severity=next(iter(sorted(filter(None, severities), key=lambda one: not one.isalpha())), ""),
        published=min((one.published for one in ordered if one.published), default=""),
        fixed=tuple(map(str, sorted(fixed))),
        malicious=any(name.startswith("MAL-") for name in names),
    )
