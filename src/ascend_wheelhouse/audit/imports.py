"""Check: what the packages import when they are imported is in the wheelhouse, declared or not, their own modules too.

`pip check` compares declarations; this compares `import` statements. Found so far in real wheels:
triton-ascend needs pybind11, torch_npu needs yaml and numpy, and neither says so. Imports inside functions
are not judged.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence

from packaging.utils import canonicalize_name

from ascend_wheelhouse.audit.advice import adding
from ascend_wheelhouse.audit.facts import Import, WheelFacts
from ascend_wheelhouse.audit.metadata import declares
from ascend_wheelhouse.audit.policy import AuditPolicy
from ascend_wheelhouse.audit.reach import everything
from ascend_wheelhouse.audit.report import Finding, Severity
from ascend_wheelhouse.audit.standard_library import standard_library

_DISTRIBUTIONS = {
    "yaml": "pyyaml",
    "PIL": "pillow",
    "cv2": "opencv-python-headless",
    "google.protobuf": "protobuf",
}


def check(wheels: Sequence[WheelFacts], policy: AuditPolicy) -> Iterator[Finding]:
    """Yield every module that is imported for certain and that nothing provides, once a wheel."""
    provided = {name for wheel in wheels for name in wheel.top_level}
    loaded = _loaded(wheels, policy)
    there = everything(path for wheel in wheels for path in wheel.paths)
    yield from _lacking_parts(wheels, there)
    for wheel in wheels:
        absent: dict[str, Import] = {}
        for item in wheel.imports:
            if not _available(item.name, provided, policy):
                absent.setdefault(item.name.partition(".")[0], item)
        severity: Severity = "error" if wheel.file in loaded else "warning"
        own = [item for item in wheel.imports if _is_own(item, wheel)]
        yield from (_own_finding(wheel, item, severity) for item in own if item.name not in there)
        awaited = {top: policy.pending[top] for top in absent if top in policy.pending}
        absent = {top: item for top, item in absent.items() if top not in awaited}
        if awaited:
            yield _awaited(wheel, awaited)
        if not policy.alone:
            yield from (_finding(wheel, item, policy, severity) for item in absent.values())
        elif absent:
            yield _not_judged(wheel, absent)


def _is_own(item: Import, wheel: WheelFacts) -> bool:
    top = item.name.partition(".")[0]
    return any(name.partition(".")[0] == top for name in wheel.top_level)


def _lacking_parts(wheels: Sequence[WheelFacts], there: Container[str]) -> Iterator[Finding]:
    """Yield what is imported of another wheel's package and is nowhere; that package may still make it when it runs."""
    owners = {path: wheel for wheel in wheels for path in wheel.paths if path.endswith("/__init__.py")}
    for wheel in wheels:
        told: set[str] = set()
        for item in wheel.imports:
            parts = item.name.split(".")
            for end in range(1, len(parts)):
                owner = owners.get(f"{'/'.join(parts[:end])}/__init__.py")
                if owner is None or owner is wheel:
                    break
                part = item._replace(name=".".join(parts[: end + 1]))
                if part.name not in told and part.name not in there:
                    told.add(part.name)
                    yield _part_finding(wheel, part, owner)
                    break


def _part_finding(wheel: WheelFacts, item: Import, owner: WheelFacts) -> Finding:
    return Finding(
        check="undeclared-imports",
        rule="missing-part",
        severity="warning",
        wheel=wheel.file,
        member=item.member,
        message=f"imports {item.name}, which {owner.file} has no file for",
        evidence=f"line {item.line}",
        repair=f"take a {owner.name} that has it, or a {wheel.name} that does without; "
        f"nothing, where {owner.name} makes it when it is imported",
        item=item.name,
    )


def _own_finding(wheel: WheelFacts, item: Import, severity: Severity) -> Finding:
    return Finding(
        check="undeclared-imports",
        rule="missing-own-module",
        severity=severity,
        wheel=wheel.file,
        member=item.member,
        message=f"imports {item.name} of its own package, which is not in the wheel",
        evidence=f"line {item.line}",
        repair=f"take another release of {wheel.name}, or build it again: a list of packages may have left it out",
        item=item.name,
    )


def _awaited(wheel: WheelFacts, awaited: Mapping[str, str]) -> Finding:
    names = ", ".join(f"{top} of {component}" for top, component in sorted(awaited.items()))
    return Finding(
        check="undeclared-imports",
        rule="pending-module",
        severity="note",
        wheel=wheel.file,
        message="imports what a pending component brings, which is not judged before it is there",
        evidence=names,
        repair="supply the component as the table of pending ones says, and audit again",
    )


def _not_judged(wheel: WheelFacts, absent: Mapping[str, Import]) -> Finding:
    return Finding(
        check="undeclared-imports",
        rule="not-given",
        severity="note",
        wheel=wheel.file,
        message="imports what was not given, which is not judged",
        evidence=", ".join(sorted(absent)),
        repair="leave --pair away to judge the whole set",
    )


def _loaded(wheels: Sequence[WheelFacts], policy: AuditPolicy) -> frozenset[str]:
    """Return the files of wheels that are sure to be imported: the stack's, those nobody requires, and on."""
    homes = {name.partition(".")[0]: wheel for wheel in wheels for name in wheel.top_level}
    required = {name for wheel in wheels for name in wheel.required_names}
    waiting = [wheel for wheel in wheels if wheel.name in policy.closed or wheel.name not in required]
    loaded: set[str] = set()
    while waiting:
        wheel = waiting.pop()
        if wheel.file not in loaded:
            loaded.add(wheel.file)
            tops = {item.name.partition(".")[0] for item in wheel.imports}
            waiting += [homes[top] for top in tops if top in homes]
    return frozenset(loaded)


def _available(name: str, provided: set[str], policy: AuditPolicy) -> bool:
    parts = name.split(".")
    top = parts[0]
    return (
        top in standard_library(policy.target.python)
        or top in policy.host_modules
        or top in provided
        or ".".join(parts[:2]) in provided
        or (len(parts) == 1 and any(known.startswith(f"{top}.") for known in provided))
    )


def _finding(wheel: WheelFacts, item: Import, policy: AuditPolicy, severity: Severity) -> Finding:
    distribution = _DISTRIBUTIONS.get(item.name, _DISTRIBUTIONS.get(item.name.partition(".")[0]))
    distribution = distribution or canonicalize_name(item.name.partition(".")[0])
    listed = distribution in {canonicalize_name(text) for text in policy.undeclared.get(wheel.name, ())}
    recipe = policy.recipes.get(wheel.name)
    where = f"recipes/{recipe}.toml" if recipe else f"the recipe whose component requires {wheel.name}"
    todo = adding(distribution, policy)
    if not listed and not declares(wheel, distribution, policy):
        todo = f"name {distribution} under `undeclared` of {where}, then {todo}"
    if severity == "warning":
        todo = f"if anything imports {item.member}: {todo}"
    return Finding(
        check="undeclared-imports",
        rule="missing-module",
        severity=severity,
        wheel=wheel.file,
        member=item.member,
        message=f"imports {item.name}, which no wheel of the wheelhouse provides",
        evidence=f"line {item.line}: import {item.name}",
        repair=todo,
        item=distribution,
    )
