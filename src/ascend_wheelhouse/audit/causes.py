"""What to do about the findings of a report: one line a cause, the worst first.

Three hundred objects for another architecture are one cause, and so are thirty requirements that are not met.
Findings are of one cause when rule and repair are the same but for the thing that the repair is about (`Finding.item`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ascend_wheelhouse.audit.report import Finding, Severity
from ascend_wheelhouse.console.words import counted, listed

_ITEM = "\0"
_ITEMS = 8
_SUBJECTS = 3
_FIRST = (
    ("metadata", "unreadable"),
    ("hygiene", ""),
    ("metadata", "record-hash"),
    ("metadata", "tags"),
    ("link-closure", "machine"),
    ("link-closure", "no-own-library"),
    ("cell", ""),
    ("metadata", "requires-python"),
    ("metadata", "closed-name"),
    ("metadata", "excluded-name"),
    ("cxx-abi", ""),
    ("link-closure", ""),
    ("ownership", ""),
)
"""Check and rule, an empty one for every other rule of the check: what makes a whole wheel useless comes first."""


@dataclass(frozen=True, kw_only=True)
class Cause:
    """Findings that one repair takes away.

    Args:
        severity: That of all of them.
        subject: Where it shows.
        todo: What to do, with everything that it is to be done for.
        count: How many findings it stands for.
    """

    severity: Severity
    subject: str
    todo: str
    count: int


def causes(findings: Iterable[Finding]) -> list[Cause]:
    """Return the causes of findings, the worst first, and among equals the one that explains most."""
    groups: dict[tuple[str, ...], list[Finding]] = {}
    for one in _once(findings):
        groups.setdefault((one.severity, one.check, one.rule, _template(one)), []).append(one)
    return [_cause(group) for group in sorted(groups.values(), key=_badness)]


def _once(findings: Iterable[Finding]) -> list[Finding]:
    """Leave out imports of what the same wheel requires and is told to lack already."""
    every = list(findings)
    lacking = {(one.wheel, _name(one.item)) for one in every if one.rule == "not-closed"}
    return [one for one in every if one.rule != "missing-module" or (one.wheel, one.item) not in lacking]


def _name(requirement: str) -> str:
    return re.split(r"[^a-z0-9-]", requirement, maxsplit=1)[0]


def _template(finding: Finding) -> str:
    return finding.repair.replace(finding.item, _ITEM) if finding.item else finding.repair


def _badness(group: Sequence[Finding]) -> tuple[int, int, int]:
    first = group[0]
    ranks = [rank for rank, (check, rule) in enumerate(_FIRST) if (check, rule) == (first.check, first.rule)]
    ranks += [rank for rank, (check, rule) in enumerate(_FIRST) if (check, rule) == (first.check, "")]
    return first.order[0], next(iter(ranks), len(_FIRST)), -len(group)


def _cause(group: Sequence[Finding]) -> Cause:
    first = group[0]
    items = listed(dict.fromkeys(one.item for one in group if one.item), _ITEMS)
    return Cause(
        severity=first.severity,
        subject=_subject(group),
        todo=_template(first).replace(_ITEM, items),
        count=len(group),
    )


def _subject(group: Sequence[Finding]) -> str:
    if len(group) == 1:
        return ": ".join(filter(None, (group[0].title, group[0].member)))
    wheels = dict.fromkeys(one.title for one in group)
    return f"{listed(wheels, _SUBJECTS)} ({counted(len(group), 'finding')})"
