"""Known vulnerabilities of what the locks name, and whether a fix is inside what they allow."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping

from packaging.version import Version

from ascend_wheelhouse.vulnerabilities.matching import KnownVulnerability
from ascend_wheelhouse.watch.findings import WatchFinding
from ascend_wheelhouse.watch.held import HeldLock, choosing
from ascend_wheelhouse.watch.ranges import Allowed

Known = Callable[[str, str], list[KnownVulnerability]]
"""The vulnerabilities of a project's version."""


def exposed(
    locks: Iterable[HeldLock], known: Known, allowed: Mapping[str, Allowed], export: str = ""
) -> Iterator[WatchFinding]:
    """Yield the vulnerabilities of every version that a lock installs.

    Args:
        locks: The locks.
        known: Knows the vulnerabilities.
        allowed: What each lock allows, by its name.
        export: The option that names the database, after a space, for the commands; empty where OSV is asked.
    """
    pins: defaultdict[tuple[str, str], list[HeldLock]] = defaultdict(list)
    for held in locks:
        for wheel in held.lock.installed:
            pins[wheel.name, Version(wheel.version).public].append(held)
    for (name, version), held_by in sorted(pins.items()):
        for one in known(name, version):
            yield _finding(name, version, one, held_by, allowed, export=export)


def _finding(
    name: str,
    version: str,
    one: KnownVulnerability,
    held_by: list[HeldLock],
    allowed: Mapping[str, Allowed],
    *,
    export: str,
) -> WatchFinding:
    fix = one.fixed[0] if one.fixed else ""
    inside = [held for held in held_by if fix and allowed[held.name].holds(name, fix)]
    cve = next((alias for alias in one.aliases if alias.startswith("CVE-")), "")
    head = ", ".join(filter(None, (one.id, cve, one.severity)))
    malware = "The release itself is malware. " if one.malicious else ""
    return WatchFinding(
        kind="vulnerable",
        of="wheel",
        component=name,
        before=version,
        after=fix,
        stacks=tuple(sorted({held.stack for held in held_by} - {""})),
        locks=tuple(held.name for held in held_by),
        text=f"{head}: {malware}{one.summary or 'no summary'}. {_fix(fix, len(inside), len(held_by))}",
        command=f"invoke watch --apply --only {name}{choosing(inside)}{export}" if inside else "",
        facts=one.as_dict() | {"inside": [held.name for held in inside]},
        about=one.id,
    )


def _fix(fix: str, inside: int, locks: int) -> str:
    if not fix:
        return "No fixed release is known."
    if inside == locks:
        return f"{fix} fixes it, and every lock allows that."
    if inside:
        return f"{fix} fixes it; {inside} of {locks} locks allow that."
    return f"{fix} fixes it, and no lock allows that: what needs it has to move first."
