"""Wheels compared with an export of the OSV database, on this host alone.

The form is the OSV schema's (ossf.github.io/osv-schema): a record names packages as affected by a list of versions or
by ranges of events, and its section "Evaluation" says how they are read. Records of other ecosystems than PyPI,
ranges of git commits, and withdrawn records say nothing here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from ascend_wheelhouse.base.archives import ZipArchive, swells
from ascend_wheelhouse.base.errors import UsageError
from ascend_wheelhouse.node import documents
from ascend_wheelhouse.pages.view import Part

_ECOSYSTEM = "PyPI"
_LARGEST = 64 << 20
_SEVERITIES = ("CRITICAL", "HIGH", "MODERATE", "MEDIUM", "LOW", "")
_RECORD = {
    "id": documents.name,
    "withdrawn?": str,
    "summary?": str,
    "details?": str,
    "aliases?": [str],
    "database_specific?": dict,
    "affected?": [
        {
            "package?": {"ecosystem": str, "name": str},
            "versions?": [str],
            "ranges?": [{"type": str, "events": [{...: str}]}],
        }
    ],
}


class BadDatabaseError(UsageError):
    """A file that was given as a database of vulnerabilities is none."""

    def __init__(self, path: Path, fault: object) -> None:
        super().__init__(
            f"{path} is no export of the OSV database: {fault}.",
            why="It is another file, or was cut short on its way.",
            next_step="take the zip of the ecosystem PyPI from osv.dev (`all.zip`), or records of it as JSON",
        )


@dataclass(frozen=True, kw_only=True)
class Match:
    """One record that names one wheel's version as affected."""

    name: str
    version: str
    id: str
    aliases: tuple[str, ...] = ()
    summary: str = ""
    severity: str = ""
    fixed: tuple[str, ...] = ()

    @property
    def order(self) -> tuple[int, str, str]:
        """The worst first."""
        rank = _SEVERITIES.index(self.severity) if self.severity in _SEVERITIES else len(_SEVERITIES)
        return rank, self.name, self.id


@dataclass(frozen=True, kw_only=True)
class Matches:
    """What a database says of a wheelhouse.

    Args:
        database: The file's name.
        records: How many records it has that are about Python packages.
        compared: How many wheels were compared with them.
        found: Every match, the worst first.
    """

    database: str
    records: int
    compared: int
    found: tuple[Match, ...]

    @property
    def told(self) -> str:
        """What was compared with what, in one sentence."""
        return (
            f"{self.compared} wheels were compared with {self.records} records about Python packages in"
            f" {self.database}. CANN's packages have no records there, and a file says nothing of what came after it."
        )


def compare(path: Path, parts: Iterable[Part]) -> Matches:
    """Compare wheels with a database.

    Args:
        path: A zip of JSON records, or a JSON file of one record, of a list, or with a list `vulns`.
        parts: The wheels.

    Raises:
        BadDatabaseError: The file is none of these.
    """
    wheels: defaultdict[str, list[Part]] = defaultdict(list)
    for part in parts:
        wheels[canonicalize_name(part.name)].append(part)
    count = 0
    found: list[Match] = []
    for record in _records(path):
        affected = [row for row in record.get("affected", ()) if _is_about_python(row)]
        count += bool(affected)
        if record.get("withdrawn"):
            continue
        names = {canonicalize_name(row["package"]["name"]) for row in affected}
        for part in (part for name in sorted(names) for part in wheels.get(name, ())):
            match = _match(record, part, affected)
            found += [match] if match else []
    compared = sum(map(len, wheels.values()))
    ordered = tuple(sorted(found, key=lambda match: match.order))
    return Matches(database=path.name, records=count, compared=compared, found=ordered)


def _records(path: Path) -> Iterator[Mapping[str, Any]]:
    for where, data in _documents(path):
        try:
            document = documents.parse(data)
            rows = document.get("vulns", [document]) if isinstance(document, dict) else document
            if text := documents.fault(rows, [_RECORD]):
                raise BadDatabaseError(path, f"{where}{text}")
        except documents.UnsoundError as error:
            raise BadDatabaseError(path, f"{where}{error}") from error
        yield from rows


def _documents(path: Path) -> Iterator[tuple[str, bytes]]:
    if not path.is_file():
        raise BadDatabaseError(path, "there is no such file")
    if not is_zipfile(path):
        if path.stat().st_size > 4 * _LARGEST:
            raise BadDatabaseError(path, "it is no zip, and larger than any such JSON")
        yield "", path.read_bytes()
        return
    with ZipArchive.opened(path, lambda fault: BadDatabaseError(path, fault)) as archive:
        members = [one for one in archive.infolist() if one.filename.endswith(".json")]
        if not members:
            raise BadDatabaseError(path, "it holds no .json")
        for member in members:
            if member.file_size > _LARGEST or swells(member.file_size, member.compress_size):
                raise BadDatabaseError(path, f"{member.filename} is a decompression bomb")
            yield f"{member.filename}: ", archive.read(member)


def _is_about_python(row: Mapping[str, Any]) -> bool:
    return bool(row.get("package", {}).get("ecosystem", "").partition(":")[0] == _ECOSYSTEM)


def _match(record: Mapping[str, Any], part: Part, affected: Iterable[Mapping[str, Any]]) -> Match | None:
    rows = [
        row for row in affected if canonicalize_name(row["package"]["name"]) == canonicalize_name(part.name)
    ]
    if not any(_is_affected(part.version, row) for row in rows):
        return None
    spans = [span for row in rows for span in row.get("ranges", ()) if _is_of_versions(span)]
    events = [event for span in spans for event in span["events"]]
    fixed = {event["fixed"] for event in events if "fixed" in event}
    return Match(
        name=part.name,
        version=part.version,
        id=record["id"],
        aliases=tuple(record.get("aliases", ())),
        summary=" ".join(record.get("summary", "").split()),
        severity=str(record.get("database_specific", {}).get("severity") or "").upper(),
        fixed=tuple(sorted(fixed, key=lambda text: (_version(text) or Version("0"), text))),
    )


def _is_affected(text: str, row: Mapping[str, Any]) -> bool:
    """Tell whether a version is named by a row; a local version, such as `+cpu`, is judged as the release it is of."""
    version = _version(text)
    if version is None:
        return text in row.get("versions", ())
    public = Version(version.public)
    if any(_version(one) in {version, public} for one in row.get("versions", ())):
        return True
    return any(_is_in(public, span["events"]) for span in row.get("ranges", ()) if _is_of_versions(span))


def _is_of_versions(span: Mapping[str, Any]) -> bool:
    return span["type"] in {"ECOSYSTEM", "SEMVER"}


def _is_in(version: Version, events: Iterable[Mapping[str, str]]) -> bool:
    """Tell whether a version lies in a range of events."""
    rows = [(_event_version(text), kind) for event in events for kind, text in event.items()]
    known = [(at, kind) for at, kind in rows if at is not None]
    limits = [at for at, kind in known if kind == "limit"]
    if limits and not any(version < limit for limit in limits):
        return False
    inside = False
    for at, kind in sorted(known, key=lambda row: (row[0], row[1] == "introduced")):
        if kind == "introduced" and version >= at:
            inside = True
        elif (kind == "fixed" and version >= at) or (kind == "last_affected" and version > at):
            inside = False
    return inside


def _event_version(text: str) -> Version | None:
    return Version("0.dev0") if text == "0" else _version(text)


def _version(text: str) -> Version | None:
    try:
        return Version(text)
    except InvalidVersion:
        return None
