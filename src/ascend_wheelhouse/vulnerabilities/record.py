"""One record of a vulnerability database, after the OSV schema (ossf/osv-schema, docs/schema.md).

A record is held to the part of the schema that is read here. What it says of other ecosystems than PyPI is left out,
and so are ranges of git commits, which no version can be compared with; a record that has nothing else says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import NoneType
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import Version

from ascend_wheelhouse.node import documents
from ascend_wheelhouse.vulnerabilities.cvss import word_of

ECOSYSTEM = "PyPI"
_LONGEST = 200
_ORDERED = {"ECOSYSTEM", "SEMVER"}
_EVENTS = ("introduced", "fixed", "last_affected", "limit")
_TEXT = (str, NoneType)


def texts(value: object) -> bool:
    """A list of texts: a record may name hundreds of versions, and a shape of each costs more than reading them."""
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


_RANGE = {"type": str, "events": [{f"{name}?": str for name in _EVENTS}]}
_SEVERITY = ([{"type": str, "score": str}], NoneType)
_AFFECTED = {
    "severity?": _SEVERITY,
    "package?": ({"ecosystem": str, "name": documents.name}, NoneType),
    "ranges?": ([_RANGE], NoneType),
    "versions?": (texts, NoneType),
}
_SHAPE = {
    "id": documents.name,
    "modified": documents.name,
    "published?": _TEXT,
    "withdrawn?": _TEXT,
    "summary?": _TEXT,
    "details?": _TEXT,
    "aliases?": ([documents.name], NoneType),
    "affected?": ([_AFFECTED], NoneType),
    "severity?": _SEVERITY,
    "database_specific?": (dict, NoneType),
}


@dataclass(frozen=True, kw_only=True)
class Event:
    """One event of a range: from this version on something holds.

    Args:
        kind: `introduced`, `fixed`, `last_affected` or `limit`.
        version: Where; None is before every version for `introduced`, and beyond every version for `limit`.
    """

    kind: str
    version: Version | None


@dataclass(frozen=True, kw_only=True)
class Affected:
    """What a record says of one project.

    Args:
        project: Its normalised name.
        versions: Versions that are named one by one.
        ranges: The events of each range.
        faults: Why a range is not read.
        severity: Its own severity, where the record has one for each project, else empty.
    """

    project: str
    versions: tuple[str, ...]
    ranges: tuple[tuple[Event, ...], ...]
    faults: tuple[str, ...] = ()
    severity: str = ""


@dataclass(frozen=True, kw_only=True)
class OsvRecord:
    """One vulnerability as one database describes it.

    Args:
        id: Its identifier there, such as `GHSA-...` or `PYSEC-...`.
        aliases: The same vulnerability elsewhere.
        summary: One line, may be empty.
        severity: The word that its database gives (`high`), else that of a CVSS vector, else a vector, else empty.
        published: When, as the record writes it; may be empty.
        modified: When it was changed last.
        withdrawn: Whether it was taken back.
        affected: What it says of projects of PyPI.
    """

    id: str
    aliases: tuple[str, ...]
    summary: str
    severity: str
    published: str
    modified: str
    withdrawn: bool
    affected: tuple[Affected, ...]


def record_of(document: object) -> OsvRecord:
    """Return the record that a parsed JSON document is.

    Raises:
        UnsoundError: It is none; the text names the key at fault.
    """
    if text := documents.fault(document, _SHAPE):
        raise documents.UnsoundError(text)
    table: dict[str, Any] = document if isinstance(document, dict) else {}
    return OsvRecord(
        id=table["id"],
        aliases=tuple(dict.fromkeys(table.get("aliases") or ())),
        summary=_summary(table),
        severity=_severity(table),
        published=table.get("published") or "",
        modified=table["modified"],
        withdrawn=bool(table.get("withdrawn")),
        affected=tuple(_affected(table.get("affected") or ())),
    )


def _summary(table: Mapping[str, Any]) -> str:
    text = table.get("summary") or table.get("details") or ""
    lines = text.strip().splitlines()
    return " ".join(lines[0].split()) if lines else ""


def _severity(table: Mapping[str, Any]) -> str:
    word = (table.get("database_specific") or {}).get("severity")
    if isinstance(word, str) and word.isalpha():
        return word.lower()
    return _graded(table.get("severity") or ())


def _graded(scores: Sequence[Mapping[str, str]]) -> str:
    """Return the word of a vector that has one, else the newest vector: the schema lists them in no order."""
    if words := [word for one in scores if (word := word_of(one["score"]))]:
        return words[0]
    newest = max(
        scores, key=lambda one: one["type"] if one["type"].startswith("CVSS_V") else "", default=None
    )
    return newest["score"] if newest else ""


def _affected(rows: Iterable[Mapping[str, Any]]) -> Iterator[Affected]:
    for row in rows:
        package = row.get("package") or {}
        if str(package.get("ecosystem", "")).partition(":")[0] != ECOSYSTEM:
            continue
        ranges, faults, unordered = [], [], []
        for one in row.get("ranges") or ():
            if one["type"] not in _ORDERED:
                unordered.append(one["type"])
                continue
            try:
                ranges.append(_events(one["events"]))
            except documents.UnsoundError as error:
                faults.append(str(error))
        if unordered and not (ranges or faults or row.get("versions")):
            faults.append(
                f"it tells of {package['name']} by ranges of {unordered[0]} alone, and names no version"
            )
        yield Affected(
            project=canonicalize_name(package["name"]),
            versions=tuple(row.get("versions") or ()),
            ranges=tuple(ranges),
            faults=tuple(faults),
            severity=_graded(row.get("severity") or ()),
        )


def _events(rows: Iterable[Mapping[str, str]]) -> tuple[Event, ...]:
    """Return the events of a range by their versions, as the schema's evaluation wants them.

    Raises:
        UnsoundError: A bound is no version, or nothing says from where on.
    """
    events = [
        Event(kind=kind, version=_bound(kind, row[kind])) for row in rows for kind in _EVENTS if kind in row
    ]
    if not any(one.kind == "introduced" for one in events):
        raise documents.UnsoundError("a range has no event 'introduced'")
    first = [one for one in events if one.version is None]
    return (*first, *sorted((one for one in events if one.version is not None), key=_place))


def _place(event: Event) -> tuple[Version, int]:
    return event.version or Version("0"), _EVENTS.index(event.kind)


def _bound(kind: str, text: str) -> Version | None:
    if (kind, text) in {("introduced", "0"), ("limit", "*")}:
        return None
    if (found := version_of(text)) is None:
        raise documents.UnsoundError(f"the bound {kind!r} is {text[:40]!r}, and no version of PEP 440")
    return found


def version_of(text: str) -> Version | None:
    """Return a version, None where a text is none of PEP 440; databases list some from before it."""
    if len(text) > _LONGEST:
        return None
    try:
        return Version(text)
    except ValueError:
        return None
