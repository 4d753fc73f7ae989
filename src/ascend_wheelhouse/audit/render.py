"""The report for people: a table of what to read, a line a check, what to do, and the verdict with every count."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from ascend_wheelhouse import console
from ascend_wheelhouse.audit.causes import causes
from ascend_wheelhouse.audit.report import CHECKS, AuditReport, Finding, Severity
from ascend_wheelhouse.console.words import counted, listed

_SHOWN = 240
_MEMBERS = re.compile(r" \(\d+ members\)$")
_CAUSES = 8
_SUBJECTS = 3
_TOLD = {("link-closure", "left-to-host"), ("cell", "listed"), ("cell", "unlisted"), ("cell", "node")}
_WORDS: Mapping[Severity, str] = {"error": "defect", "warning": "warning", "note": "note"}


def show(report: AuditReport, *, alone: str = "") -> None:
    """Print every finding that a person should read, what to do, then the verdict.

    Args:
        report: What the audit found.
        alone: The command that judges the same wheels without asking whether they are a whole set.
    """
    told = [one for one in report.findings if one.severity != "note" or _is_told(one)]
    if told:
        console.table(["check", "verdict", "subject", "what and evidence"], [_row(one) for one in told])
        console.line()
    for line in _notes(one for one in report.of("note") if not _is_told(one)):
        console.prose(line)
    counts = report.verdicts()
    for check, meaning in CHECKS.items():
        console.prose(f"{check}: {_verdict(counts[check])} ({meaning})")
    for line in _todo(report):
        console.line(line)
    if alone and any(
        one.rule in {"not-closed", "missing-module", "missing-library"} for one in report.of("error")
    ):
        console.line(f"next, if these wheels are to be judged alone: {alone}")
    console.line(f"\n{counted(len(report.wheels), 'wheel')}: {summary(report)}")


def summary(report: AuditReport) -> str:
    """Return the verdict with the number of everything that was found."""
    counts = Counter(one.severity for one in report.findings)
    words = [counted(counts[key], word) for key, word in _WORDS.items() if counts[key]]
    if not report.clean:
        return f"not fit to ship: {', '.join(words)}"
    return ", ".join(["no defect" if counts["warning"] else "clean", *words])


def _todo(report: AuditReport) -> Iterator[str]:
    """Yield what to do about defects, then about warnings, a line a cause."""
    found = causes([*report.of("error"), *report.of("warning")])
    for one in found[:_CAUSES]:
        start = "next" if one.severity == "error" else "to decide"
        yield f"{start}, {one.subject}: {one.todo}"
    if len(found) > _CAUSES:
        yield f"and {counted(len(found) - _CAUSES, 'cause')} more: the same command with --json lists every finding"


def _notes(notes: Iterable[Finding]) -> Iterator[str]:
    """Yield the notes that are counted and not in the table, a line a rule."""
    groups: dict[tuple[str, str], list[Finding]] = {}
    for one in notes:
        groups.setdefault((one.check, one.rule), []).append(one)
    for (check, _), group in groups.items():
        wheels = listed(dict.fromkeys(one.title for one in group), _SUBJECTS)
        first = group[0]
        message, evidence = _MEMBERS.sub("", first.message), ""
        if len(group) == 1:
            message, evidence = first.message, f": {first.evidence}" if first.evidence else ""
        yield f"{counted(len(group), 'note')} of {check}: {message}{evidence} ({wheels})"


def _is_told(finding: Finding) -> bool:
    return (finding.check, finding.rule) in _TOLD


def _verdict(counts: Mapping[str, int]) -> str:
    words = [counted(counts[key], word) for key, word in _WORDS.items() if counts[key]]
    return ", ".join(words) or "clean"


def _row(finding: Finding) -> list[str]:
    subject = ": ".join(part for part in (finding.title, finding.member) if part)
    text = f"{finding.message}: {finding.evidence}" if finding.evidence else finding.message
    short = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
    return [finding.check, _WORDS[finding.severity], subject, short]
