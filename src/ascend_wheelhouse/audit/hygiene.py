"""Check: nothing in the archives is dangerous or stray.

The archive's directory is judged before a byte is unpacked (paths that leave the environment, links, modes,
repeated and overlapping entries, unreasonable sizes), then each member as it streams by (keys, builder paths,
segments and search paths of objects). It cannot prove that there is no secret: it knows some shapes of them.
"""

from __future__ import annotations

import re
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from posixpath import normpath
from typing import TYPE_CHECKING

from ascend_wheelhouse.audit.report import Finding, Severity
from ascend_wheelhouse.base.archives import leaves, swells
from ascend_wheelhouse.node.plain import is_odd
from ascend_wheelhouse.wheels.elf import ElfFacts
from ascend_wheelhouse.wheels.wheel import Member

if TYPE_CHECKING:
    from ascend_wheelhouse.audit.policy import AuditPolicy

_MOST_BYTES = 32 << 30
_MOST_MEMBERS = 200_000
_LOCAL_HEADER = 30
_SECRET_NAMES = re.compile(
    r"(^|/)(\.pypirc|\.netrc|\.npmrc|\.git-credentials|\.htpasswd|\.env|id_(rsa|dsa|ecdsa|ed25519)"
    r"|credentials\.json|\.aws/credentials|\.docker/config\.json|\.git/config|[^/]+\.(p12|pfx|jks|keytab))$"
)
_SECRETS = {
    b"PRIVATE KEY-----": rb"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----\s+[A-Za-z0-9+/=\s]{64,}",
    b"AKIA": rb"\bAKIA[0-9A-Z]{16}\b",
    b"ghp_": rb"\bghp_[A-Za-z0-9]{36}\b",
    b"glpat-": rb"\bglpat-[A-Za-z0-9_-]{20}\b",
    b"pypi-AgE": rb"\bpypi-AgE[A-Za-z0-9_-]{50,}",
}
_SELF_TEST = re.compile(r"(^|/)(self)?(tests?|testing|testdata)(/|_)", re.IGNORECASE)
_TEXT_LIMIT = 1 << 20
_BUILD_TEXT = re.compile(
    r"(direct_url\.json|\.pth|\.pc|\.la|\.egg-link|\.cmake|_sysconfigdata[^/]*\.py|/RECORD)$"
)
_SDK_TEXT = (".cmake", ".pc", ".la")
_BUILDER = re.compile(
    rb"(?:(?<=file://)|(?<![\w./$}~-]))/(?:home|root|Users|github|__w|workspace|builds?|pytorch|io|project|tmp/(?:pip|build|tmp))"
    rb"[-\w]*/[\w.+@/-]{3,160}"
)
_HOMES = (b"/home/", b"/root/", b"/Users/")
_HOME = re.compile(rb"/(?:home|root|Users)/")
_HOME_PATH = re.compile(rb"/(?:home|root|Users)/[\w.+@/-]{3,160}")
_FOLDED = frozenset({"rpath", "builder-path", "writable", "bytecode", "credentials"})
_LIBRARY = re.compile(r"\.so(\.\d+)*$")
_LINKER_SCRIPT = re.compile(rb"\s*(/\*.*?\*/\s*)*(INPUT|GROUP|OUTPUT_FORMAT)\s*\(", re.DOTALL)
_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
"""How the pointer file of Git LFS begins (git-lfs, docs/spec.md)."""
_INSIDE = ("$ORIGIN", "${ORIGIN}")
_HERE = "an empty entry: the folder in which the program was started"


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a finding is: the wheel's file name and the member."""

    wheel: str
    member: str = ""

    def finding(
        self, rule: str, severity: Severity, message: str, *, evidence: str = "", repair: str = ""
    ) -> Finding:
        """Return a finding of this check about this place."""
        return Finding(
            check="hygiene",
            rule=rule,
            severity=severity,
            wheel=self.wheel,
            member=self.member,
            message=message,
            evidence=evidence,
            repair=repair or "take the file from a trusted origin or build the wheel again",
        )


def archive_findings(wheel: str, members: Sequence[Member]) -> Iterator[Finding]:
    """Yield what the archive's directory shows."""
    place = Place(wheel=wheel)
    names = Counter(member.name for member in members)
    for name, count in names.items():
        if count > 1:
            where = Place(wheel=wheel, member=name)
            yield where.finding("repeated-member", "error", f"the archive holds this name {count} times")
    for member in members:
        yield from _member_findings(Place(wheel=wheel, member=member.name), member)
    if len(members) > _MOST_MEMBERS or sum(member.size for member in members) > _MOST_BYTES:
        yield place.finding(
            "zip-bomb", "error", "the archive states an unreasonable size", evidence=str(len(members))
        )
    if (first := _overlap(members)) is not None:
        yield place.finding("overlap", "error", "entries of the archive share bytes", evidence=first)


def is_bomb(members: Sequence[Member]) -> bool:
    """Tell whether the archive states sizes or places that no wheel has: its members must not be read."""
    total = sum(member.size for member in members)
    swollen = (
        total > _MOST_BYTES
        or len(members) > _MOST_MEMBERS
        or any(swells(one.size, one.packed) for one in members)
    )
    return swollen or _overlap(members) is not None


def _member_findings(place: Place, member: Member) -> Iterator[Finding]:
    if leaves(member.name):
        yield place.finding("path-traversal", "error", "the member's path leaves the environment")
    if is_odd(member.name):
        yield place.finding(
            "odd-name", "error", "the member's name holds control characters or an end of line"
        )
    elif normpath(member.name) != member.name.removesuffix("/") and not leaves(member.name):
        text = "the member's path is not in its plain form, which hides whose file it takes the place of"
        yield place.finding("odd-name", "error", text)
    if member.is_link:
        yield place.finding("symlink", "error", "the member is a symbolic link, which wheels cannot carry")
    if member.mode & (stat.S_ISUID | stat.S_ISGID):
        yield place.finding(
            "setuid", "error", "the member is setuid or setgid", evidence=oct(member.mode & 0o7777)
        )
    elif member.mode & stat.S_IWOTH and not member.is_link:
        yield place.finding(
            "writable", "note", "anyone may write the member", evidence=oct(member.mode & 0o7777)
        )
    if swells(member.size, member.packed):
        evidence = f"{member.packed} bytes become {member.size}"
        yield place.finding(
            "zip-bomb", "error", "the member unpacks to an unreasonable size", evidence=evidence
        )
    if member.name.endswith((".pyc", ".pyo")):
        yield place.finding("bytecode", "warning", "compiled Python was left in the wheel")
    if _SECRET_NAMES.search(member.name):
        yield place.finding("credentials", "error", "the name is one that credentials are kept under")


def _overlap(members: Sequence[Member]) -> str | None:
    ordered = sorted(members, key=lambda member: member.offset)
    for first, second in pairwise(ordered):
        if first.offset + _LOCAL_HEADER + len(first.name.encode()) + first.packed > second.offset:
            return f"{first.name!r} and {second.name!r}"
    return None


def text_findings(place: Place, data: bytes) -> Iterator[Finding]:
    """Yield what the bytes of a member that is no object show; long members are passed over."""
    if len(data) > _TEXT_LIMIT:
        return
    found = (re.search(shape, data) for anchor, shape in _SECRETS.items() if anchor in data)
    if secret := next(filter(None, found), None):
        shape = f"{secret.group()[:24].decode('ascii', errors='replace')}..."
        severity: Severity = "note" if _SELF_TEST.search(place.member) else "error"
        yield place.finding(
            "credentials", severity, "the member holds what looks like a secret", evidence=shape
        )
    if _BUILD_TEXT.search(place.member) and (path := _BUILDER.search(data)):
        yield place.finding(
            "builder-path",
            "note" if place.member.endswith(_SDK_TEXT) else "warning",
            "the member names a folder of the host that built it",
            evidence=path.group().decode("ascii", errors="replace"),
            repair="leave the file out of the wheel, or build in a folder that is the same on every host",
        )


def name_findings(place: Place, data: bytes) -> Iterator[Finding]:
    """Yield where a member is called as a shared object and is none: the linker and `import` refuse it."""
    if _LIBRARY.search(place.member) and not _LINKER_SCRIPT.match(data):
        pointer = data.startswith(_LFS_POINTER)
        what = "the pointer that Git LFS keeps in place of a file" if pointer else f"begins with {data[:8]!r}"
        yield place.finding(
            "no-object",
            "warning" if _SELF_TEST.search(place.member) else "error",
            "the member is called as a shared object, and is none",
            evidence=what if data else "empty",
            repair="build it again from a clone in which `git lfs pull` was run" if pointer else "",
        )


def object_findings(
    place: Place, facts: ElfFacts, data: bytes | bytearray, installed: str
) -> Iterator[Finding]:
    """Yield what an object's segments, search paths and strings show; `installed` is where it goes."""
    if facts.exec_stack:
        yield place.finding("exec-stack", "error", "the object makes the stack executable", repair=_RELINK)
    if facts.writable_code:
        yield place.finding("rwx-segment", "error", "a segment is writable and executable", repair=_RELINK)
    if facts.text_relocations:
        yield place.finding(
            "text-relocations", "error", "the object's code is changed when loaded", repair=_RELINK
        )
    if facts.machine == "aarch64" and 0 < facts.page_bytes < _ARM_PAGE_BYTES:
        yield place.finding(
            "small-pages",
            "warning",
            f"kernels with pages of 64 KiB do not load it: its segments are aligned to {facts.page_bytes} bytes",
            evidence=f"alignment {facts.page_bytes:#x}",
            repair="nothing, where `getconf PAGESIZE` on the nodes says no more; "
            "else link it again with -Wl,-z,max-page-size=65536",
        )
    for path in (*facts.rpath, *facts.runpath):
        if fault := _search_path_fault(installed, path):
            repair = (
                "nothing, where nodes have no such folder; who builds the wheel sets it: "
                f"patchelf --set-rpath '$ORIGIN' {place.member}"
            )
            yield place.finding("rpath", "warning", fault, evidence=path or _HERE, repair=repair)
    if homes := _home_paths(data):
        yield place.finding(
            "builder-path",
            "note",
            "the object names folders of the host that built it",
            evidence=homes,
            repair="compile with -ffile-prefix-map=FOLDER=. so that its name stays out",
        )


_ARM_PAGE_BYTES = 1 << 16
"""The largest pages of aarch64 kernels, as of openEuler 20.03; ld.so says "ELF load command alignment not page-aligned"
(elf/dl-load.c in glibc; numpy/numpy#16677, pypa/manylinux#735)."""
_RELINK = "link it again without -z execstack and -N, and from code that was compiled with -fPIC"


def _search_path_fault(installed: str, path: str) -> str:
    if not path.startswith(_INSIDE):
        return "the library search path is not relative to the object"
    relative = path.replace("${ORIGIN}", "$ORIGIN").removeprefix("$ORIGIN").lstrip("/")
    folder = installed.rpartition("/")[0]
    if normpath(f"{folder}/{relative}" if folder else relative or ".").startswith("../"):
        return "the library search path leaves site-packages"
    return ""


def _home_paths(data: bytes | bytearray) -> str:
    """Return the first path below the first of `_HOMES` whose first place holds one; one pass finds all places."""
    first: dict[bytes, re.Match[bytes] | None] = {}
    for home in _HOME.finditer(data):
        if home.group() not in first:
            first[home.group()] = _HOME_PATH.match(data, home.start())
        if len(first) == len(_HOMES) or first.get(_HOMES[0]):
            break
    found = next(filter(None, map(first.get, _HOMES)), None)
    return found.group().decode("ascii", errors="replace") if found else ""


def folded(findings: Iterable[Finding]) -> list[Finding]:
    """Return findings with those of one wheel, rule and severity that repeat for many members as one."""
    groups: dict[tuple[str, str, str], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.wheel, finding.rule, finding.severity), []).append(finding)
    return [one for group in groups.values() for one in _fold(group)]


def _fold(group: list[Finding]) -> list[Finding]:
    first = group[0]
    if len(group) == 1 or first.rule not in _FOLDED:
        return group
    details = tuple(f"{item.member}: {item.evidence}" if item.evidence else item.member for item in group)
    text = f"{first.message} ({len(group)} members)"
    return [replace(first, message=text, evidence=details[0], member="", details=details)]


def held(finding: Finding, distribution: str, policy: AuditPolicy) -> Finding:
    """Return a finding as it counts for a distribution: a builder's path in a wheel that was built here is an error.

    Others cannot be helped: they are as their publishers made them.
    """
    if finding.rule != "builder-path" or distribution not in policy.built_here:
        return finding
    members = [one.partition(": ")[0] for one in finding.details] or [finding.member]
    if all(policy.may_carry(distribution, member) for member in members):
        return finding
    recipe = policy.recipes.get(distribution, distribution)
    repair = f"`invoke reproduce {recipe} {policy.words}` names what writes it"
    return replace(finding, severity="error", repair=repair)
