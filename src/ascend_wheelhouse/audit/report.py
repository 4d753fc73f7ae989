"""What the audit says: findings, each with its subject, its evidence and the repair, and the report of a run.

An *error* is a defect: the wheelhouse will fail, or is not what it claims. A *warning* is a fact that a
person should decide on. A *note* is a fact that explains the result, such as what is left to the host.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from ascend_wheelhouse.base.errors import AuditError
from ascend_wheelhouse.node.plain import one_line

Severity = Literal["error", "warning", "note"]
Check = Literal["link-closure", "cxx-abi", "ownership", "metadata", "undeclared-imports", "cell", "hygiene"]
CHECKS: Mapping[Check, str] = {
    "link-closure": "every library and symbol that an object needs is there",
    "cxx-abi": "every C++ object that meets torch has torch's C++ ABI",
    "ownership": "no two wheels install the same path",
    "metadata": "names, tags, hashes and requirements agree and are closed",
    "undeclared-imports": "what is imported at import time is there",
    "cell": "the versions form a combination that is known",
    "hygiene": "nothing in the archives is dangerous or stray",
}
_PLACE = {check: place for place, check in enumerate(CHECKS)}
_RANK = {"error": 0, "warning": 1, "note": 2}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that a check found.

    Args:
        check: The check that found it.
        rule: The rule within the check, stable across releases.
        severity: `error`, `warning` or `note`.
        wheel: File name of the wheel, or empty where the finding is about the whole set.
        member: The member inside the wheel, or empty.
        message: What is wrong, one sentence.
        evidence: The symbol, line, digest or requirement that shows it.
        repair: What to do about it.
        details: Every item, where the evidence is only the first of many.
        item: What the repair is about, as it stands in it: a requirement, a library, a wheel.
    """

    check: Check
    rule: str
    severity: Severity
    message: str
    wheel: str = ""
    member: str = ""
    evidence: str = ""
    repair: str = ""
    details: tuple[str, ...] = ()
    item: str = ""

    def __post_init__(self) -> None:
        """Keep what wheels name on one line: a member could be called as a whole report reads."""
        for name in ("wheel", "member", "message", "evidence"):
            object.__setattr__(self, name, one_line(getattr(self, name)))
        object.__setattr__(self, "details", tuple(map(one_line, self.details)))

    @property
    def subject(self) -> str:
        """The wheel and the member, as the table shows them."""
        return ": ".join(part for part in (self.wheel, self.member) if part) or "the wheelhouse"

    @property
    def title(self) -> str:
        """The wheel by name and version, which is what a person looks for."""
        return "-".join(self.wheel.split("-")[:2]) or "the wheelhouse"

    @property
    def order(self) -> tuple[int, int, tuple[str, ...]]:
        """The key by which reports are sorted: the worst first, then by place; no two findings have the same."""
        place = (self.wheel, self.member, self.rule, self.message)
        words = (*place, self.evidence, self.item, self.repair, *self.details)
        return _RANK[self.severity], _PLACE[self.check], words


class AuditDefectsError(AuditError):
    """The audit found at least one defect; the report lists each."""


@dataclass(frozen=True, kw_only=True)
class AuditReport:
    """The result of one run.

    Args:
        wheels: File names of the wheels that were read, sorted.
        findings: Every finding, the worst first.
        left_to_host: Number of symbols left to each host library group, by wheel file name.
        cell: The versions that were judged, by component.
    """

    wheels: tuple[str, ...]
    findings: tuple[Finding, ...]
    left_to_host: Mapping[str, int] = field(default_factory=dict)
    cell: Mapping[str, str] = field(default_factory=dict)

    def of(self, severity: Severity) -> tuple[Finding, ...]:
        """Return the findings of one severity."""
        return tuple(finding for finding in self.findings if finding.severity == severity)

    @property
    def clean(self) -> bool:
        """True when there is no error; warnings and notes do not count."""
        return not self.of("error")

    @property
    def exit_code(self) -> int:
        """0 when clean, 7 otherwise."""
        return 0 if self.clean else AuditDefectsError.exit_code

    def verdicts(self) -> dict[Check, Counter[str]]:
        """Return the number of findings of each severity, for every check."""
        counts: dict[Check, Counter[str]] = {check: Counter() for check in CHECKS}
        for finding in self.findings:
            counts[finding.check][finding.severity] += 1
        return counts

    def as_dict(self) -> dict[str, Any]:
        """Return the report as `--json` prints it; keys are stable."""
        return {
            "schema": 1,
            "clean": self.clean,
            "wheels": list(self.wheels),
            "cell": dict(self.cell),
            "left_to_host": dict(self.left_to_host),
            "checks": {check: dict(count) for check, count in self.verdicts().items()},
            "findings": [asdict(finding) for finding in self.findings],
        }


def in_order(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Return findings as a report holds them: each once, the worst first."""
    return tuple(sorted(set(findings), key=lambda finding: finding.order))
