"""Known vulnerabilities of what the locks name, and whether a fix is inside what they allow."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from packaging.version import Version

from ascend_wheelhouse.vulnerabilities.matching import KnownVulnerability
from ascend_wheelhouse.watch.findings import WatchFinding
from ascend_wheelhouse.watch.held import HeldLock, choosing
from ascend_wheelhouse.watch.pins import Candidates
from ascend_wheelhouse.watch.ranges import Allowed

Known = Callable[[str, str], list[KnownVulnerability]]
"""The vulnerabilities of a project's version."""


@dataclass(frozen=True, kw_only=True)
class Exposed:
    """The vulnerabilities of what locks install.

    Args:
        known: Knows the vulnerabilities.
        allowed: What each lock allows, by its name.
        candidates: What the index has for each kind of node.
        export: The option that names the database, after a space, for the commands; empty where OSV is asked.
    """

    known: Known
    allowed: Mapping[str, Allowed]
    candidates: Candidates
    export: str = ""

    def findings(self, locks: Iterable[HeldLock]) -> Iterator[WatchFinding]:
        """Yield the vulnerabilities of every version that a lock installs; builds of one release are told as that."""
        pins: defaultdict[tuple[str, str], dict[str, list[HeldLock]]] = defaultdict(dict)
        for held in locks:
            for wheel in held.lock.installed:
                builds = pins[wheel.name, Version(wheel.version).public]
                builds.setdefault(wheel.version, []).append(held)
        for (name, version), builds in sorted(pins.items()):
            found: dict[str, tuple[KnownVulnerability, list[HeldLock]]] = {}
            for build, held_by in sorted(builds.items()):
                for one in self.known(name, build):
                    found.setdefault(one.id, (one, []))[1].extend(held_by)
            for one, held_by in found.values():
                yield self._finding(name, version, one, held_by)

    def _finding(
        self, name: str, version: str, one: KnownVulnerability, held_by: list[HeldLock]
    ) -> WatchFinding:
        ways = {held.name: self._way_out(name, version, one, held) for held in held_by}
        inside = [held for held in held_by if ways[held.name]]
        fix = one.fixed[0] if one.fixed else ""
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
            text=f"{head}: {malware}{one.summary or 'no summary'}. {_fix(fix, list(ways.values()))}",
            command=f"invoke watch --apply --only {name}{choosing(inside)}{self.export}" if inside else "",
            facts=one.as_dict() | {"inside": [held.name for held in inside]},
            about=one.id,
        )

    def _way_out(self, name: str, version: str, one: KnownVulnerability, held: HeldLock) -> str:
        """Return the release by which a lock may leave a vulnerability: the fix, else the next one that it allows."""
        allowed, fix = self.allowed[held.name], one.fixed[0] if one.fixed else ""
        if fix and allowed.holds(name, fix):
            return fix
        least, early = Version(fix or version), Version(version).is_prerelease
        for later, _ in reversed(self.candidates.of(name, held.target)):
            right = later > least and (early or not later.is_prerelease)
            if right and allowed.holds(name, str(later)) and not self._is_touched(name, str(later), one):
                return str(later)
        return ""

    def _is_touched(self, name: str, version: str, one: KnownVulnerability) -> bool:
        names = {one.id, *one.aliases}
        return any(names & {other.id, *other.aliases} for other in self.known(name, version))


def _fix(fix: str, ways: Sequence[str]) -> str:
    """Return what is told of the fix, by the release that each lock allows, empty where one allows none."""
    inside = list(filter(None, ways))
    later = ", ".join(map(str, sorted({*map(Version, inside)} - {Version(fix or "0")})))
    if not inside:
        told = f"{fix} fixes it, and no lock allows that: what needs it has to move first."
        return told if fix else "No fixed release is known."
    that = f"that or a later one: {later}" if fix and later else "that"
    head = f"{fix} fixes it" if fix else f"No fix is stated, but it does not touch {later}"
    if len(inside) == len(ways):
        return f"{head}, and every lock allows {that}."
    return f"{head}; {len(inside)} of {len(ways)} locks allow {that}."
