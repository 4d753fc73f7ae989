"""A vulnerability database that somebody exported: OSV's zip of JSON records, a folder of them, or one JSON file.

OSV publishes one zip an ecosystem, `PyPI/all.zip`, and it is made for being carried to where its API does not answer.
A record that cannot be read is left out and counted, never the end: the others still tell what they know.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile, is_zipfile

from packaging.utils import canonicalize_name

from ascend_wheelhouse.base.archives import ZipArchive, swells, telling
from ascend_wheelhouse.base.errors import UsageError
from ascend_wheelhouse.node import documents
from ascend_wheelhouse.vulnerabilities.matching import KnownVulnerability, known_of
from ascend_wheelhouse.vulnerabilities.record import ECOSYSTEM, OsvRecord, record_of

_LARGEST = 64 << 20
_SHOWN = 5
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_OTHER_FORMS = (
    ({"dependencies", "fixes"}, "it is a report of pip-audit, on the versions that were audited there"),
    ({"info", "vulnerabilities"}, "it is PyPI's own JSON on one release, which states no ranges"),
    (
        {"results"},
        "it is an answer of OSV's querybatch or a report of a scanner, without the records themselves",
    ),
)
"""Keys of JSON that tells of vulnerabilities and is no record of OSV: pip_audit/_format/json.py@0f0d5d4 of
pypa/pip-audit, /pypi/NAME/VERSION/json of PyPI, docs/api/post-v1-querybatch.md@0635c7c of google/osv.dev."""


class BadVulnerabilitiesError(UsageError):
    """A file or folder is no vulnerability database of the OSV format."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(
            f"{path} is no database of vulnerabilities in the OSV format.",
            why=why,
            next_step=f"export {ECOSYSTEM}/all.zip from OSV again, and name that file, or a folder of its records",
        )


@dataclass(frozen=True, kw_only=True)
class SkippedRecord:
    """A record, or a range of one, that could not be read: its file or identifier, and why."""

    name: str
    why: str


@dataclass(frozen=True, kw_only=True)
class VulnerabilityDatabase:
    """What a database tells of projects of PyPI.

    Args:
        source: The name of the file or folder, without its path.
        records: How many records tell of PyPI, those that were withdrawn included.
        withdrawn: How many of them were taken back.
        newest: When the newest of them was changed, as it writes it: how old the export is.
        by_project: Records by normalised name.
        skipped: What could not be read.
    """

    source: str
    records: int
    withdrawn: int
    newest: str
    by_project: dict[str, tuple[OsvRecord, ...]]
    skipped: tuple[SkippedRecord, ...]

    def known(self, project: str, version: str) -> list[KnownVulnerability]:
        """Return the vulnerabilities of one version of a project, by identifier."""
        name = canonicalize_name(project)
        return known_of(self.by_project.get(name, ()), name, version)

    def warning(self) -> str:
        """Return the sentence on what could not be read, empty where all could."""
        if not self.skipped:
            return ""
        told = "; ".join(f"{one.name}: {one.why}" for one in self.skipped[:_SHOWN])
        more = f"; and {len(self.skipped) - _SHOWN} more" if len(self.skipped) > _SHOWN else ""
        many = f"{len(self.skipped)} records are" if len(self.skipped) > 1 else "1 record is"
        return f"{self.source}: {many} left out, in whole or in part: {told}{more}"


def read_vulnerabilities(path: Path) -> VulnerabilityDatabase:
    """Read a database: a zip of JSON records, a folder of such files, one record, a list, or an answer of OSV's API.

    Raises:
        BadVulnerabilitiesError: It is none, or holds nothing of PyPI.
        OSError: It cannot be read.
    """
    skipped: list[SkippedRecord] = []
    records: list[OsvRecord] = []
    others = 0
    for record in _records(path, skipped):
        skipped += [SkippedRecord(name=record.id, why=why) for each in record.affected for why in each.faults]
        records += [record] if record.affected else []
        others += not record.affected
    if not records:
        raise BadVulnerabilitiesError(path, _nothing(others, skipped))
    return _database(path.name, records, skipped)


def _nothing(others: int, skipped: list[SkippedRecord]) -> str:
    if others:
        return f"None of its {others} records is of the ecosystem {ECOSYSTEM}."
    if skipped:
        return f"{skipped[0].name}: {skipped[0].why}."
    return "It holds no record."


def _database(source: str, records: list[OsvRecord], skipped: list[SkippedRecord]) -> VulnerabilityDatabase:
    by_project: dict[str, list[OsvRecord]] = {}
    for record in records:
        for name in {one.project for one in record.affected}:
            by_project.setdefault(name, []).append(record)
    return VulnerabilityDatabase(
        source=source,
        records=len(records),
        withdrawn=sum(one.withdrawn for one in records),
        newest=max(
            (one.modified for one in records if _DATE.match(one.modified)), default="a day that none states"
        ),
        by_project={name: tuple(found) for name, found in by_project.items()},
        skipped=tuple(skipped),
    )


def _records(path: Path, skipped: list[SkippedRecord]) -> Iterator[OsvRecord]:
    """Yield every record that can be read, and note those that cannot."""
    for name, data in _files(path, skipped):
        try:
            document = documents.parse(data)
            rows = _rows(document)
        except documents.UnsoundError as error:
            skipped.append(SkippedRecord(name=name, why=str(error)))
            continue
        if isinstance(document, dict) and document.get("next_page_token"):
            skipped.append(SkippedRecord(name=name, why="it is one page of an answer, and others follow it"))
        for row in rows:
            try:
                yield record_of(row)
            except documents.UnsoundError as error:
                skipped.append(SkippedRecord(name=name, why=str(error)))


def _rows(document: object) -> Iterable[object]:
    """Return the records of one JSON file: a list of them, an answer of OSV's API (`vulns`), or one alone.

    Raises:
        UnsoundError: It tells of vulnerabilities in another form; the text says which.
    """
    if isinstance(document, dict):
        for keys, form in _OTHER_FORMS:
            if keys <= document.keys() and "id" not in document:
                raise documents.UnsoundError(form)
        if isinstance(document.get("vulns"), list):
            document = document["vulns"]
    return document if isinstance(document, list) else [document]


def _files(path: Path, skipped: list[SkippedRecord]) -> Iterator[tuple[str, bytes]]:
    if not path.exists():
        raise BadVulnerabilitiesError(path, "There is no such file or folder.")
    if path.is_dir():
        yield from _in_folder(path, skipped)
    elif is_zipfile(path):
        with ZipArchive.opened(path, lambda why: BadVulnerabilitiesError(path, f"{why}.")) as archive:
            yield from _members(archive, path.stat().st_size, skipped)
    elif path.stat().st_size > _LARGEST:
        raise BadVulnerabilitiesError(path, f"It is no zip, and has more than {_LARGEST >> 20} MiB.")
    else:
        yield path.name, path.read_bytes()


def _in_folder(path: Path, skipped: list[SkippedRecord]) -> Iterator[tuple[str, bytes]]:
    def closed(error: OSError) -> None:
        name = Path(error.filename).relative_to(path).as_posix()
        skipped.append(SkippedRecord(name=name, why=str(error.strerror)))

    walk = os.walk(path, onerror=closed)
    for file in sorted(
        Path(place, name) for place, _, names in walk for name in names if name.endswith(".json")
    ):
        name = file.relative_to(path).as_posix()
        try:
            if not file.is_file():
                continue
            if file.stat().st_size > _LARGEST:
                skipped.append(_too_large(name))
                continue
            data = file.read_bytes()
        except OSError as error:
            closed(error)
        else:
            yield name, data


def _members(archive: ZipArchive, size: int, skipped: list[SkippedRecord]) -> Iterator[tuple[str, bytes]]:
    members = []
    for member in archive.infolist():
        if not member.filename.endswith(".json"):
            continue
        if member.file_size > _LARGEST or swells(member.file_size, member.compress_size):
            skipped.append(_too_large(member.filename))
        else:
            members.append(member)
    packed, whole = sum(one.compress_size for one in members), sum(one.file_size for one in members)
    if packed > size or swells(whole, packed):
        raise BadZipFile("it is a decompression bomb")
    for member in members:
        try:
            with telling(documents.UnsoundError):
                data = archive.read(member)
        except documents.UnsoundError as error:
            skipped.append(SkippedRecord(name=member.filename, why=str(error)))
        else:
            yield member.filename, data


def _too_large(name: str) -> SkippedRecord:
    return SkippedRecord(name=name, why=f"it has more than {_LARGEST >> 20} MiB")
