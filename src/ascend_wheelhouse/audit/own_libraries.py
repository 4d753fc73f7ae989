"""Part of `link-closure`: a wheel has the shared libraries that its recipe says it has.

A wheel of kernels without its library installs, is found by pip, meets every requirement, and does nothing: no other
check would miss it, since nothing needs what is not there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase

from ascend_wheelhouse.audit.advice import titled
from ascend_wheelhouse.audit.facts import WheelFacts
from ascend_wheelhouse.audit.policy import AuditPolicy
from ascend_wheelhouse.audit.report import Finding


def check(wheels: Iterable[WheelFacts], policy: AuditPolicy) -> Iterator[Finding]:
    """Yield each wheel that lacks a library of its recipe's `libraries`."""
    for wheel in wheels:
        have = [one.file_name for one in wheel.objects if one.kind == "shared"]
        for pattern in policy.libraries.get(wheel.name, ()):
            if not any(fnmatchcase(name, pattern) for name in have):
                yield _finding(wheel, pattern, policy)


def _finding(wheel: WheelFacts, pattern: str, policy: AuditPolicy) -> Finding:
    recipe = policy.recipes.get(wheel.name, wheel.name)
    return Finding(
        check="link-closure",
        rule="no-own-library",
        severity="error",
        wheel=wheel.file,
        message=f"holds no {pattern}, which a wheel of {recipe} has",
        evidence=f"recipes/{recipe}.toml: libraries, {pattern}; shared libraries in the wheel: {len(wheel.objects)}",
        repair=f"take {titled(wheel)} from an origin of its recipe: `invoke plan {policy.words}` lists them",
        item=titled(wheel),
    )
