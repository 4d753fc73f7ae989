"""The report as SARIF 2.1.0, which code hosting sites show beside a change.

Source: OASIS, Static Analysis Results Interchange Format 2.1.0. A wheel's member is a location
`wheel!/member`.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from ascend_wheelhouse import __version__
from ascend_wheelhouse.audit.report import CHECKS, AuditReport, Finding

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def as_sarif(report: AuditReport) -> dict[str, Any]:
    """Return the report as a SARIF log with one run."""
    rules = sorted({(finding.check, finding.rule) for finding in report.findings})
    index = {pair: place for place, pair in enumerate(rules)}
    driver = {
        "name": "ascend-wheelhouse",
        "version": __version__,
        "rules": [
            {
                "id": f"{check}/{rule}",
                "shortDescription": {"text": CHECKS[check]},
            }
            for check, rule in rules
        ],
    }
    results = [_result(finding, index[finding.check, finding.rule]) for finding in report.findings]
    return {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": results}],
    }


def _result(finding: Finding, index: int) -> dict[str, Any]:
    text = ". ".join(part for part in (finding.message, finding.evidence, finding.repair) if part)
    return {
        "ruleId": f"{finding.check}/{finding.rule}",
        "ruleIndex": index,
        "level": finding.severity,
        "message": {"text": text},
        "locations": [{"physicalLocation": {"artifactLocation": {"uri": _uri(finding)}}}],
        "properties": {
            "evidence": finding.evidence,
            "repair": finding.repair,
            "details": list(finding.details),
        },
    }


def _uri(finding: Finding) -> str:
    wheel = quote(f"wheels/{finding.wheel}" if finding.wheel else "manifest.json")
    return f"{wheel}!/{quote(finding.member)}" if finding.member else wheel
