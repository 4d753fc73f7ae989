"""Check: the wheels fit the target and each other: tags, Python, and every requirement that applies there.

The set must be closed: what a wheel requires (with the extras that others ask for) is there in a version
that fits. Names that a recipe owns must not come from elsewhere, and nothing that the index withdrew may be
in. What one wheel says of itself is judged in `record.py` when it is read.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from packaging.markers import UndefinedComparison, UndefinedEnvironmentName
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.tags import parse_tag
from packaging.utils import canonicalize_name

from ascend_wheelhouse.audit.advice import adding, titled, wheel_for_target
from ascend_wheelhouse.audit.facts import WheelFacts
from ascend_wheelhouse.audit.policy import AuditPolicy
from ascend_wheelhouse.audit.record import finding
from ascend_wheelhouse.audit.report import Finding
from ascend_wheelhouse.audit.tags import tag_faults
from ascend_wheelhouse.folder.python_releases import NUMBERS, barred

_CUDA = ("nvidia-", "cuda-", "flashinfer", "sgl-kernel", "cupy", "triton-")
_NPU_NAMES = ("torch-npu", "triton-ascend", "sgl-kernel-npu")
_NAME = re.compile(r"^([A-Za-z0-9._-]+).*$", re.DOTALL)
_Set = Mapping[str, Sequence[WheelFacts]]


@dataclass(frozen=True, kw_only=True)
class _Need:
    """A requirement that applies on the target, and the wheel that has it."""

    wheel: WheelFacts
    requirement: Requirement


def check(wheels: Sequence[WheelFacts], policy: AuditPolicy) -> Iterator[Finding]:
    """Yield everything that does not fit the target or the rest of the set."""
    by_name: defaultdict[str, list[WheelFacts]] = defaultdict(list)
    for wheel in wheels:
        by_name[wheel.name].append(wheel)
        yield from _target(wheel, policy)
        yield from _origin(wheel, policy)
    for name, same in by_name.items():
        versions = sorted({wheel.version for wheel in same})
        if len(versions) > 1:
            text = f"the wheelhouse holds {len(versions)} versions of {name}: {', '.join(versions)}"
            stated = policy.cell.get(name.replace("-", "_"))
            repair = (
                f"keep {name} {stated}, which the cell names" if stated else f"keep one {name} of the two"
            )
            yield finding(same[0].file, "two-versions", text, repair=repair, item=name)
    yield from _closure(by_name, policy)


def _target(wheel: WheelFacts, policy: AuditPolicy) -> Iterator[Finding]:
    tags = frozenset(tag for text in wheel.tags for tag in parse_tag(text))
    if tags and (faults := tag_faults(tags, policy.target)):
        text, evidence = "; ".join(faults), ", ".join(sorted(wheel.tags)[:3])
        repair = wheel_for_target(wheel, policy)
        yield finding(wheel.file, "tags", text, evidence=evidence, repair=repair, item=titled(wheel))
    yield from _requires_python(wheel, policy)


def _requires_python(wheel: WheelFacts, policy: AuditPolicy) -> Iterator[Finding]:
    """Yield what the wheel excludes of the target's Python: all of it, or releases that a node may have."""
    python = _python(policy)
    try:
        allowed = SpecifierSet(wheel.requires_python)
    except ValueError:
        return  # told where it was read
    fits = allowed.contains(f"{python}.{NUMBERS[-1]}")
    yield from _releases(wheel, barred(wheel.requires_python, python), python)
    if not fits:
        text = f"Requires-Python excludes {_python(policy)}"
        repair = f"take a release of {wheel.name} that supports Python {_python(policy)}"
        yield finding(
            wheel.file,
            "requires-python",
            text,
            evidence=wheel.requires_python,
            repair=repair,
            item=wheel.name,
        )


def _releases(wheel: WheelFacts, excluded: Sequence[str], python: str) -> Iterator[Finding]:
    if not excluded:
        return
    first, last = excluded[0], excluded[-1]
    shown = first if len(excluded) == 1 else f"{len(excluded)} releases, {first} to {last}"
    least = f"{python}.{len(excluded)}"
    oldest = last == f"{python}.{len(excluded) - 1}"  # all before it, and no other
    wanted = f"Python {least} or newer" if oldest else "a Python that it does not exclude"
    yield finding(
        wheel.file,
        "python-release",
        f"Requires-Python excludes {shown}: there pip refuses the wheel, and uv installs it unasked",
        "warning",
        evidence=wheel.requires_python,
        repair=f"take another release of {wheel.name}, or see that every node has {wanted}",
        item=wheel.name,
    )


def _python(policy: AuditPolicy) -> str:
    return ".".join(str(part) for part in policy.target.python)


def _origin(wheel: WheelFacts, policy: AuditPolicy) -> Iterator[Finding]:
    recipe = policy.closed.get(wheel.name)
    repair = (
        f"take {wheel.name} from an origin of the recipe {recipe}: `invoke plan {policy.words}` lists them"
    )
    if recipe and policy.origins.get(wheel.file) == "index" and wheel.name not in policy.index_names:
        text = f"{wheel.name} comes from the package index, where the name is another project's"
        yield finding(wheel.file, "closed-name", text, evidence="origin: index", repair=repair)
    elif recipe and (cuda := _cuda_requirement(wheel)):
        text = f"{wheel.name} is the CUDA project of that name"
        yield finding(wheel.file, "closed-name", text, evidence=f"Requires-Dist: {cuda}", repair=repair)
    if why := policy.yanked.get(wheel.file):
        text = "the index has withdrawn this file"
        repair = adding(f"a {wheel.name} that is not withdrawn", policy)
        yield finding(wheel.file, "yanked", text, "warning", evidence=why, repair=repair)
    if wheel.name in policy.excluded:
        text = f"{policy.excluded[wheel.name]} keeps {wheel.name} out of the wheelhouse"
        yield finding(
            wheel.file,
            "excluded-name",
            text,
            repair=f"remove {wheel.file}: nothing of the set may hold {wheel.name}",
        )


def _cuda_requirement(wheel: WheelFacts) -> str:
    if wheel.name == "torch":
        return ""
    for text in wheel.requires:
        name = canonicalize_name(_NAME.sub(r"\1", text))
        if name.startswith(_CUDA) and name not in _NPU_NAMES and "extra" not in text:
            return text
    return ""


def _closure(by_name: _Set, policy: AuditPolicy) -> Iterator[Finding]:
    absent: list[_Need] = []
    for need in _needs(by_name, policy):
        name = canonicalize_name(need.requirement.name)
        text = str(need.requirement)
        if name in policy.excluded:
            continue
        if name not in by_name:
            absent.append(need)
            continue
        have = sorted({wheel.version for wheel in by_name[name]})
        if not any(_fits(need.requirement, version) for version in have):
            message = (
                f"requires {name} {need.requirement.specifier}, and the wheelhouse has {', '.join(have)}"
            )
            wanted = f"{name}{need.requirement.specifier}"
            repair = f"take {wanted}, or a release of {need.wheel.name} that takes {name} {have[0]}"
            yield finding(need.wheel.file, "conflict", message, evidence=text, repair=repair)
    yield from _absent(absent, policy)


def _absent(needs: Sequence[_Need], policy: AuditPolicy) -> Iterator[Finding]:
    """Yield the requirements that nothing meets; where wheels are judged alone, one note that names them."""
    if policy.alone and needs:
        names = sorted({canonicalize_name(need.requirement.name) for need in needs})
        text = "requirements that were not given are not judged"
        repair = "leave --pair away to judge the whole set"
        yield finding("", "not-given", text, "note", evidence=", ".join(names), repair=repair)
        return
    for need in needs:
        item = f"{canonicalize_name(need.requirement.name)}{need.requirement.specifier}"
        message = f"requires {canonicalize_name(need.requirement.name)}, which is not in the wheelhouse"
        yield finding(
            need.wheel.file,
            "not-closed",
            message,
            evidence=str(need.requirement),
            repair=adding(item, policy),
            item=item,
        )


def _fits(requirement: Requirement, version: str) -> bool:
    return requirement.specifier.contains(version, prereleases=True)


def _needs(by_name: _Set, policy: AuditPolicy) -> Iterator[_Need]:
    """Yield each requirement that applies, extras included, however many steps they are asked for in."""
    waiting = [(wheel, "") for same in by_name.values() for wheel in same]
    seen: set[tuple[str, str]] = set()
    told: set[tuple[str, str]] = set()
    while waiting:
        wheel, extra = waiting.pop()
        if (wheel.file, extra) in seen:
            continue
        seen.add((wheel.file, extra))
        for requirement in _requirements(wheel):
            if not _applies(requirement, extra, policy):
                continue
            if (wheel.file, str(requirement)) not in told:
                told.add((wheel.file, str(requirement)))
                yield _Need(wheel=wheel, requirement=requirement)
            for other in by_name.get(canonicalize_name(requirement.name), ()):
                waiting += [(other, canonicalize_name(name)) for name in requirement.extras]


def declares(wheel: WheelFacts, name: str, policy: AuditPolicy) -> bool:
    """Tell whether a wheel requires a distribution (normalised name) on the target, without any extra."""
    return any(
        canonicalize_name(one.name) == name and _applies(one, "", policy) for one in _requirements(wheel)
    )


def _requirements(wheel: WheelFacts) -> Iterator[Requirement]:
    for text in wheel.requires:
        try:
            yield Requirement(text)
        except ValueError:
            continue


def _applies(requirement: Requirement, extra: str, policy: AuditPolicy) -> bool:
    if requirement.marker is None:
        return not extra
    try:
        applies = requirement.marker.evaluate(policy.target.markers | {"extra": extra})
        always = extra and requirement.marker.evaluate(policy.target.markers | {"extra": ""})
    except (UndefinedComparison, UndefinedEnvironmentName):
        return True
    return applies and not always
