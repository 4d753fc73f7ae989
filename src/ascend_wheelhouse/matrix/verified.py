"""The last report of a verification that is known of a wheelhouse: of these very files, or of earlier ones."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from ascend_wheelhouse.node import documents, layout
from ascend_wheelhouse.node.verify.report import NewerSchemaError, Report, read_report

_NAMES = ("report.json", "*.verify.json")
_FILES = {"files": [{"path": str, "sha256": str}]}
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_AHEAD = timedelta(days=1)
NOT_VERIFIED = "not verified"


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What is known of a wheelhouse's verification.

    Args:
        state: `not verified`; or what the last report says: `verified`, `failed`, or `partial` with the reason.
        of: Whether the report is of the files that stand there now, or of earlier ones of the same cell.
        when: When that was, as the report says it.
        host: Where.
        counts: How many probes passed, failed and were skipped.
        report: The report's file.
        why: Why this run verified nothing although it was asked to; empty where that is not so.
    """

    state: str = NOT_VERIFIED
    of: Literal["these files", "earlier files", ""] = ""
    when: str = ""
    host: str = ""
    counts: str = ""
    report: str = ""
    why: str = ""

    @property
    def words(self) -> str:
        """What a table shows."""
        return f"{self._state}{self._reason}"

    @property
    def whole(self) -> str:
        """The same with the report's counts, host and time."""
        return f"{', '.join(filter(None, (self._state, self.counts, self.host, self.when)))}{self._reason}"

    @property
    def _state(self) -> str:
        return f"{self.state}, but of earlier files" if self.of == "earlier files" else self.state

    @property
    def _reason(self) -> str:
        if not self.why:
            return ""
        return f" ({self.why})" if self.state == NOT_VERIFIED else f"; {NOT_VERIFIED} now: {self.why}"


@dataclass(frozen=True, kw_only=True)
class UnreadReport:
    """A report that is there and says nothing, or a folder whose reports are not known.

    Args:
        path: Which.
        why: Why it could not be read.
    """

    path: str
    why: str


@dataclass(frozen=True, kw_only=True)
class KnownReports:
    """What a folder holds of reports.

    Args:
        reports: Those that could be read.
        unread: The others.
    """

    reports: tuple[tuple[Path, Report], ...] = ()
    unread: tuple[UnreadReport, ...] = ()


def reports_below(folder: Path) -> KnownReports:
    """Return every report below a folder; another program's document of such a name is passed over."""
    found, unread = [], []

    def unlisted(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            unread.append(UnreadReport(path=str(error.filename), why=str(error.strerror)))

    walk = os.walk(folder, onerror=unlisted)
    files = (Path(base, name) for base, _, names in walk for name in names)
    for path in sorted(path for path in files if any(map(path.match, _NAMES))):
        try:
            found.append((path, read_report(path)))
        except OSError as error:
            unread.append(UnreadReport(path=str(path), why=str(error.strerror)))
        except ValueError as error:
            if isinstance(error, NewerSchemaError) or not _is_of_another_program(path):
                unread.append(
                    UnreadReport(path=str(path), why=str(error).removeprefix(str(path)).lstrip(", "))
                )
    return KnownReports(reports=tuple(found), unread=tuple(unread))


def _is_of_another_program(path: Path) -> bool:
    """Tell whether a file is a whole document, and none of a verification."""
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return not (isinstance(document, dict) and document.keys() >= {"wheelhouse", "results"})


def verification(wheelhouse: Path, reports: Iterable[tuple[Path, Report]]) -> Verification:
    """Return the last report of a wheelhouse, one of its very files before any other.

    Args:
        wheelhouse: Its folder, with a manifest.
        reports: Every report that is known.
    """
    data = documents.bytes_of(wheelhouse / layout.MANIFEST)
    known = {
        "digest": hashlib.sha256(data).hexdigest(),
        "contents": layout.contents_digest(documents.read(data, _FILES)["files"]),
    }
    own = [one for one in reports if _names(one[1]) == wheelhouse.name]
    if not own:
        return Verification()
    path, report = max(own, key=lambda one: (_is_of(one[1], known), _when(one[1])))
    same = _is_of(report, known)
    return Verification(
        state=report.outcome,
        of="these files" if same else "earlier files",
        when=str(report.host.get("verified", "")),
        host=str(report.host.get("name", "")),
        counts=", ".join(f"{count} {word}" for word, count in report.counts.items()),
        report=str(path),
    )


def _is_of(report: Report, known: Mapping[str, str]) -> bool:
    """Tell whether a report is of a wheelhouse, or of a bundle of it, whose manifest has a serial besides."""
    return any(report.wheelhouse.get(name) == digest for name, digest in known.items())


def _when(report: Report) -> str:
    """Return when a report was made, as the node's clock had it; empty where that is ahead of the clock here."""
    said = str(report.host.get("verified", ""))
    return said if _DATE.match(said) and said < f"{datetime.now(UTC) + _AHEAD:%Y-%m-%dT%H:%M:%SZ}" else ""


def _names(report: Report) -> str:
    """Return the name of the wheelhouse that a report is of."""
    return f"{report.wheelhouse.get('stack', '')}-{report.wheelhouse.get('platform', '')}"
