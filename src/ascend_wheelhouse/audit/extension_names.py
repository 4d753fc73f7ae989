"""Part of `link-closure`: an extension module is called so that the target's Python finds it.

CPython on Linux takes `NAME.cpython-311-aarch64-linux-gnu.so`, `NAME.abi3.so` and `NAME.so` (`EXTENSION_SUFFIXES` of
`importlib.machinery`). A build for another Python or machine may put its own host's suffix into a wheel whose tags and
objects are right: then the module is not there for `import`. Where it lies beside one that is found, nothing is told.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from ascend_wheelhouse.audit.advice import titled, wheel_for_target
from ascend_wheelhouse.audit.facts import WheelFacts
from ascend_wheelhouse.audit.policy import AuditPolicy
from ascend_wheelhouse.audit.report import Finding

_NAMED = re.compile(r"(.*)\.cpython-(\d+)-(\w+)-linux-gnu\.so")


def check(wheels: Iterable[WheelFacts], policy: AuditPolicy) -> Iterator[Finding]:
    """Yield each extension module of the target's machine whose name is for another Python or machine."""
    target = policy.target
    suffix = f".cpython-{target.python[0]}{target.python[1]}-{target.machine}-linux-gnu.so"
    for wheel in wheels:
        for one in wheel.objects:
            found = _NAMED.fullmatch(one.path)
            if found is None or one.machine != target.machine or one.path == f"{found[1]}{suffix}":
                continue
            if wheel.paths.isdisjoint(f"{found[1]}{end}" for end in (suffix, ".abi3.so", ".so", ".py")):
                yield _finding(wheel, one.member, suffix, policy)


def _finding(wheel: WheelFacts, member: str, suffix: str, policy: AuditPolicy) -> Finding:
    return Finding(
        check="link-closure",
        rule="extension-name",
        severity="error",
        wheel=wheel.file,
        member=member,
        message="the name of this extension module is for another Python or machine: `import` does not find it",
        evidence=f"found on the target: {suffix}, .abi3.so or .so",
        repair=f"{wheel_for_target(wheel, policy)}, or build it for that Python",
        item=titled(wheel),
    )
