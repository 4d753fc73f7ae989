"""The last report of a verification that is known of a wheelhouse: of these very files, or of earlier ones."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from ascend_wheelhouse.node import documents, layout
from ascend_wheelhouse.node.verify.report import Report, read_report

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


def reports_below(folder: Path) -> list[tuple[Path, Report]]:
    """Return every report below a folder; what is none is passed over, since other programs write there, too."""
    found = []
    for path in sorted({path for name in _NAMES for path in folder.rglob(name)}):
        with suppress(ValueError, OSError):
            found.append((path, read_report(path)))
    return found


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
