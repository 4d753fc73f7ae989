"""What a database of vulnerabilities says of the wheels of a wheelhouse."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ascend_wheelhouse.console import words
from ascend_wheelhouse.pages.view import Part
from ascend_wheelhouse.vulnerabilities.database import read_vulnerabilities
from ascend_wheelhouse.vulnerabilities.matching import KnownVulnerability

_SEVERITIES = ("critical", "high", "moderate", "medium", "low")


@dataclass(frozen=True, kw_only=True)
class Match:
    """One vulnerability of one wheel."""

    name: str
    version: str
    known: KnownVulnerability

    @property
    def grave(self) -> bool:
        """Whether it is marked red."""
        return self.known.malicious or self.known.severity in _SEVERITIES[:2]

    @property
    def order(self) -> tuple[bool, int, str, str]:
        """The worst first; what no word grades comes last."""
        severity = self.known.severity
        rank = _SEVERITIES.index(severity) if severity in _SEVERITIES else len(_SEVERITIES)
        return not self.known.malicious, rank, self.name, self.known.id


@dataclass(frozen=True, kw_only=True)
class Matches:
    """What a database says of a wheelhouse.

    Args:
        database: The file's name.
        newest: When the newest of its records was changed.
        records: How many of them are about Python packages.
        compared: How many wheels were compared with them.
        found: Every match, the worst first.
        warning: What could not be read of it, empty where all could.
    """

    database: str
    newest: str
    records: int
    compared: int
    found: tuple[Match, ...]
    warning: str = ""

    @property
    def told(self) -> str:
        """What was compared with what, in one sentence or two."""
        return (
            f"{self.compared} wheels were compared with {words.counted(self.records, 'record')} about Python packages"
            f" in {self.database}, the newest of {self.newest}. CANN's packages have no records there."
        )


def compare(path: Path, parts: Iterable[Part]) -> Matches:
    """Compare wheels with a database.

    Raises:
        BadVulnerabilitiesError: The file is none.
        OSError: It cannot be read.
    """
    database = read_vulnerabilities(path)
    wheels = list(parts)
    found = [
        Match(name=part.name, version=part.version, known=one)
        for part in wheels
        for one in database.known(part.name, part.version)
    ]
    return Matches(
        database=database.source,
        newest=database.newest,
        records=database.records,
        compared=len(wheels),
        found=tuple(sorted(found, key=lambda match: match.order)),
        warning=database.warning(),
    )
