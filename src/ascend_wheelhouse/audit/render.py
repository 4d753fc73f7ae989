"""The report for people: a table of what to read, and one line a check."""

from __future__ import annotations

from collections.abc import Mapping

from ascend_wheelhouse import console
from ascend_wheelhouse.audit.report import CHECKS, AuditReport, Finding

_SHOWN = 240
_REPAIRS = 5
_TOLD = {("link-closure", "left-to-host"), ("cell", "listed"), ("cell", "unlisted"), ("cell", "node")}
_WORDS = {"error": "defects", "warning": "warnings", "note": "notes"}


def show(report: AuditReport) -> None:
    """Print every finding that a person should read, then the verdict of every check."""
    told = [one for one in report.findings if one.severity != "note" or (one.check, one.rule) in _TOLD]
    if told:
        console.table(["check", "verdict", "subject", "what and evidence"], [_row(one) for one in told])
        console.line()
    counts = report.verdicts()
    for check, meaning in CHECKS.items():
        console.line(f"{check}: {_verdict(counts[check])} ({meaning})")
    for defect in report.of("error")[:_REPAIRS]:
        console.line(f"next, {_subject(defect)}: {defect.repair}")
    console.line(f"\n{len(report.wheels)} wheels: {'clean' if report.clean else 'not fit to ship'}")


def _verdict(counts: Mapping[str, int]) -> str:
    words = [f"{counts[key]} {word}" for key, word in _WORDS.items() if counts[key]]
    return ", ".join(words) or "clean"


def _row(finding: Finding) -> list[str]:
    verdict = "defect" if finding.severity == "error" else finding.severity
    text = f"{finding.message}: {finding.evidence}" if finding.evidence else finding.message
    return [finding.check, verdict, _subject(finding), text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."]


def _subject(finding: Finding) -> str:
    """Return the wheel by name and version, and the member, which is what a person looks for."""
    wheel = "-".join(finding.wheel.split("-")[:2])
    return ": ".join(part for part in (wheel, finding.member) if part) or "the wheelhouse"
