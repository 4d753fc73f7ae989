"""Check: the versions form a combination that is known, and which part of it only the node can tell.

Each pair is compared with what upstream states (`recipes/compatibility.toml`) and the whole with the stack
files. A pair that nobody states anything about is said to be unknown, not wrong. Patch-level mixes that no
symbol shows (torch 2.9.0 under a torch_npu for 2.9.1) are found here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from packaging.version import Version

from ascend_wheelhouse.audit.advice import torch_npu_for
from ascend_wheelhouse.audit.facts import WheelFacts
from ascend_wheelhouse.audit.policy import AuditPolicy, KnownStack
from ascend_wheelhouse.audit.report import Finding, Severity
from ascend_wheelhouse.cells.compatibility import Compatibility, cann_line, torchvision_for
from ascend_wheelhouse.cells.target import NPUS

_BY_CHIP = ("deep-ep", "sgl-kernel-npu", "custom-ops")
_LOCAL_CANN = re.compile(r"cann\.?(\d+\.\d+(?:\.(?:rc|alpha|beta)?\d+)?)", re.IGNORECASE)


def versions_of(wheels: Sequence[WheelFacts], policy: AuditPolicy) -> dict[str, str]:
    """Return the version of each component: what the wheels are, and CANN and chip as the manifest says."""
    known = {*policy.compared, *_BY_CHIP}
    found = {wheel.name.replace("-", "_"): wheel for wheel in wheels if wheel.name in known}
    versions = {name: Version(wheel.version).public for name, wheel in found.items()}
    stated = {key: policy.cell[key] for key in ("cann",) if policy.cell.get(key)}
    target = policy.target
    node = {"machine": target.machine, "npu": target.npu, "python": ".".join(map(str, target.python))}
    return dict(sorted((versions | stated | node).items()))


def check(wheels: Sequence[WheelFacts], policy: AuditPolicy) -> Iterator[Finding]:
    """Yield what is wrong, unknown and left to the node about the combination of versions."""
    found = versions_of(wheels, policy)
    if "torch" not in found:
        return
    yield from _as_stated(found, policy)
    yield from _torch_pairs(found, policy)
    if policy.compatibility is not None:
        yield from _cann_pairs(found, policy.compatibility, policy)
    for wheel in wheels:
        yield from _chip(wheel, policy)
    yield _listed(found, policy)
    text = "only the node can tell the driver, the firmware, the chip, and whether CANN and NNAL are of one release"
    yield _finding(
        "node", "note", text, repair="`install.py` and `invoke doctor` compare the node with the cell"
    )


def _public(stated: str) -> str:
    """Return a version without its local part; a text that is no version stays, and is then no wheel's."""
    try:
        return Version(stated).public
    except ValueError:
        return stated


def _as_stated(found: Mapping[str, str], policy: AuditPolicy) -> Iterator[Finding]:
    for name in policy.compared:
        key = name.replace("-", "_")
        stated = policy.cell.get(key)
        if stated and key in found and _public(stated) != found[key]:
            text = f"the cell states {name} {stated}, and the wheelhouse holds {found[key]}"
            yield _finding(
                "not-as-stated", "error", text, repair=f"make it again: `invoke wheelhouse {policy.words}`"
            )


def _torch_pairs(found: Mapping[str, str], policy: AuditPolicy) -> Iterator[Finding]:
    torch = Version(found["torch"])
    if "torch_npu" in found and Version(found["torch_npu"]).release[:3] != torch.release[:3]:
        text = f"torch_npu {found['torch_npu']} is not made for torch {torch}"
        releases = (
            ", ".join(torch_npu_for(str(torch), policy)) or f"{torch.base_version}, or a post release of it"
        )
        repair = f"take torch_npu {releases}"
        yield _finding(
            "torch-npu", "error", text, evidence="the first three numbers must agree", repair=repair
        )
    if "torchvision" not in found:
        return
    wanted, have = Version(torchvision_for(str(torch))), Version(found["torchvision"])
    if have.release[:2] != wanted.release[:2]:
        text = f"torchvision {have} is not made for torch {torch}"
        yield _finding(
            "torchvision",
            "error",
            text,
            evidence=f"made for it: {wanted}",
            repair=f"take torchvision {wanted}",
        )
    elif have != wanted:
        text = f"torchvision {have} is another patch release than torch {torch}'s"
        yield _finding(
            "torchvision",
            "warning",
            text,
            evidence=f"made for it: {wanted}",
            repair=f"take torchvision {wanted}",
        )


def _cann_pairs(found: Mapping[str, str], table: Compatibility, policy: AuditPolicy) -> Iterator[Finding]:
    """Compare with upstream's table; where a stack lists the pair, its notes have said so, and it is a warning.

    Another release of the application on such a stack is derived from it, with its notes: what was let pass in the
    stack is no defect of that.
    """

    def listed(name: str) -> bool:
        return bool(_stacks({key: found[key] for key in ("torch", name, "cann")}, policy))

    cann = found.get("cann", "")
    if not cann:
        return
    if torch_npu := found.get("torch_npu"):
        row = table.row(torch_npu)
        fits = None if row is None else table.fits(row, cann)
        made = f"made with CANN {row.cann}" if row else "no row"
        others = [row.version for row in table.rows_for(found["torch"], cann)]
        pair = _Pair("torch_npu-cann", "torch_npu", torch_npu, cann, made, others)
        yield from _judged(pair, fits=fits, listed=listed("torch_npu"))
    if triton := found.get("triton_ascend"):
        fits = table.triton_fits(triton, cann, found["torch"])
        newest = table.triton_for(cann, found["torch"])
        pair = _Pair(
            "triton-cann",
            "triton-ascend",
            triton,
            cann,
            "recipes/compatibility.toml",
            [newest] if newest else [],
        )
        yield from _judged(pair, fits=fits, listed=listed("triton_ascend"))


class _Pair(NamedTuple):
    """A component beside CANN; `others` are its releases that are stated for that CANN."""

    rule: str
    name: str
    version: str
    cann: str
    evidence: str
    others: list[str]


def _judged(pair: _Pair, *, fits: bool | None, listed: bool) -> Iterator[Finding]:
    subject = f"{pair.name} {pair.version}"
    take = f"take {pair.name} {', '.join(pair.others)}" if pair.others else "no release is stated for it"
    if fits is None:
        text = f"upstream states nothing about {subject} with CANN {pair.cann}"
        yield _finding(
            f"{pair.rule}-unknown",
            "note",
            text,
            evidence=pair.evidence,
            repair=f"for CANN {pair.cann}: {take}",
        )
    elif not fits:
        text = f"{subject} is not stated to run on CANN {pair.cann}"
        severity: Severity = "warning" if listed else "error"
        repair = f"for CANN {pair.cann}: {take}"
        if listed:
            repair = f"read the notes of the stack that lists it; {repair}"
        yield _finding(pair.rule, severity, text, evidence=pair.evidence, repair=repair)


def _chip(wheel: WheelFacts, policy: AuditPolicy) -> Iterator[Finding]:
    """Compare the chip and the CANN that a local version names: file names of A2 and A3 builds are else equal."""
    public, _, local = wheel.version.partition("+")
    cann = policy.cell.get("cann", "")
    suited = f"take the build of {wheel.name} {public} for {policy.target.npu}{f' and CANN {cann}' if cann else ''}"
    if wheel.name not in _BY_CHIP or not local:
        return
    named = [chip for chip in NPUS if chip in local.split(".")]
    if named and named[0] != policy.target.npu:
        text = f"built for {named[0]}, and the target is {policy.target.npu}"
        yield _finding("chip", "error", text, wheel=wheel.file, evidence=wheel.version, repair=suited)
    built = _LOCAL_CANN.search(local)
    if built and cann and cann_line(built[1]) != cann_line(cann.lower()):
        text = f"built with CANN {built[1]}, and the cell has {cann}"
        yield _finding("chip-cann", "error", text, wheel=wheel.file, evidence=wheel.version, repair=suited)


def _listed(found: Mapping[str, str], policy: AuditPolicy) -> Finding:
    names = _stacks(found, policy)
    if names:
        known = (
            "a stack lists these versions"
            if "cann" in found
            else "stacks list these versions, CANN not known"
        )
        return _finding("listed", "note", known, evidence=", ".join(names), repair="nothing is to be done")
    severity: Severity = "note" if policy.derived or not policy.stacks else "warning"
    text = "no stack lists this combination" + (": the cell is derived" if policy.derived else "")
    versions = ", ".join(f"{name} {version}" for name, version in found.items())
    return _finding(
        "unlisted",
        severity,
        text,
        evidence=versions,
        repair="choose one that is: `invoke recipes` lists them",
    )


def _stacks(found: Mapping[str, str], policy: AuditPolicy) -> list[str]:
    return [stack.name for stack in policy.stacks if _is(stack, found, policy)]


def _is(stack: KnownStack, found: Mapping[str, str], policy: AuditPolicy) -> bool:
    if policy.target.machine not in stack.machines or policy.target.npu not in stack.npus:
        return False
    keys = [name.replace("-", "_") for name in policy.compared]
    shared = [key for key in (*keys, "cann") if key in found and key in stack.versions]
    return all(_same(found[key], stack.versions[key]) for key in shared)


def _same(first: str, second: str) -> bool:
    return first.lower() == second.partition("+")[0].lower()


def _finding(
    rule: str, severity: Severity, message: str, *, wheel: str = "", evidence: str = "", repair: str
) -> Finding:
    return Finding(
        check="cell",
        rule=rule,
        severity=severity,
        wheel=wheel,
        message=message,
        evidence=evidence,
        repair=repair,
    )
