"""Part of `metadata`: scripts that start a module which nothing of the set has: they end with an error.

A wheel alone tells which of its scripts start what it has not itself; the whole set tells whether another wheel has it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from configparser import Error as ConfigError
from typing import TYPE_CHECKING

from ascend_wheelhouse.audit.entry_points import scripts_of
from ascend_wheelhouse.audit.facts import WheelFacts
from ascend_wheelhouse.audit.reach import everything
from ascend_wheelhouse.audit.record import finding
from ascend_wheelhouse.audit.report import Finding
from ascend_wheelhouse.audit.standard_library import standard_library
from ascend_wheelhouse.wheels.wheel import BadWheelError, WheelFile

if TYPE_CHECKING:
    from ascend_wheelhouse.audit.policy import AuditPolicy

_RULE = "script-without-module"


def lost_findings(wheel: WheelFile, modules: Collection[str]) -> Iterator[Finding]:
    """Yield each script that starts a module which is not in the wheel; `modules` are the dotted names of what is."""
    try:
        scripts = scripts_of(wheel)
    except (BadWheelError, ConfigError):
        return  # told with the rest of what cannot be read
    for section, name, starts in scripts:
        module = starts.partition(":")[0].strip()
        if module and module not in modules:
            yield finding(
                wheel.filename,
                _RULE,
                f"the script {name} starts {module}, which nothing here has: it ends with an error",
                "warning",
                member=f"{wheel.dist_info}/entry_points.txt",
                evidence=f"[{section}] {name} = {starts}",
                repair=f"nothing, where nobody starts {name}; else take a release of {wheel.name} that has {module}",
                item=module,
            )


def lost(found: Sequence[Finding], wheels: Sequence[WheelFacts], policy: AuditPolicy) -> Iterator[Finding]:
    """Yield findings without those of a script whose module another wheel, or Python itself, has or may have."""
    for one in found:
        if one.rule != _RULE:
            yield one
            continue
        top = one.item.partition(".")[0]
        having = [wheel for wheel in wheels if any(name.partition(".")[0] == top for name in wheel.top_level)]
        elsewhere = policy.alone and all(wheel.file != one.wheel for wheel in having)
        if not (
            elsewhere
            or top in standard_library(policy.target.python)
            or any(one.item in everything(wheel.paths) for wheel in having)
        ):
            yield one
