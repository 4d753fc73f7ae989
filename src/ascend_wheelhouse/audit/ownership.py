"""Check: no two wheels install the same path.

pip and uv let the last one win and say nothing; removing either then breaks the other. triton over
triton-ascend is the known case. Paths that differ in case only, a package of one wheel that another adds
files to, and names that every project would take (`tests`) are told as well.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from itertools import combinations

from ascend_wheelhouse.audit.facts import InstalledFile, WheelFacts
from ascend_wheelhouse.audit.report import Finding, Severity
from ascend_wheelhouse.console.words import counted

_STRAY = frozenset(
    {
        "test",
        "tests",
        "testing",
        "example",
        "examples",
        "doc",
        "docs",
        "benchmark",
        "benchmarks",
        "scripts",
        "build",
    }
)
_Owners = Mapping[str, list[tuple[WheelFacts, InstalledFile]]]


def check(wheels: Sequence[WheelFacts]) -> Iterator[Finding]:
    """Yield every path that two wheels install, and every top-level name that no wheel should."""
    shared = _owners(wheels, _repeated(wheel.paths for wheel in wheels))
    for wheel in wheels:
        yield from _twice(wheel)
    yield from _shared(shared)
    yield from _case(wheels)
    yield from _intruders(wheels, shared)
    for wheel in wheels:
        yield from _stray(wheel)


def _repeated(sets: Iterable[frozenset[str]]) -> set[str]:
    """Return what more than one of the sets has."""
    seen: set[str] = set()
    repeated: set[str] = set()
    for one in sets:
        repeated |= seen & one
        seen |= one
    return repeated


def _owners(wheels: Sequence[WheelFacts], paths: Container[str]) -> _Owners:
    """Return who installs each of some paths, in the order of the wheels."""
    owners: defaultdict[str, list[tuple[WheelFacts, InstalledFile]]] = defaultdict(list)
    for wheel in wheels:
        for path in {item.path: item for item in wheel.files if item.path in paths}.values():
            owners[path.path].append((wheel, path))
    return owners


def _twice(wheel: WheelFacts) -> Iterator[Finding]:
    """Yield where one wheel installs a path twice, as from its root and from `.data`: the later one stays."""
    held: defaultdict[str, set[str]] = defaultdict(set)
    for item in wheel.files:
        held[item.path].add(item.sha256)
    if paths := sorted(path for path, digests in held.items() if len(digests) > 1):
        text = f"installs {counted(len(paths), 'path')} twice, with different content"
        severity: Severity = "warning" if all("{" in path for path in paths) else "error"
        yield _finding(wheel.file, "path-twice", severity, text, member=paths[0], details=tuple(paths))


def _shared(shared: _Owners) -> Iterator[Finding]:
    pairs: defaultdict[tuple[str, str], list[tuple[str, bool]]] = defaultdict(list)
    names = {wheel.file: wheel.name or wheel.file for both in shared.values() for wheel, _ in both}
    for path, both in shared.items():
        for (first, one), (second, other) in combinations(both, 2):
            files = sorted((first.file, second.file))
            pairs[files[0], files[1]].append((path, one.sha256 != other.sha256))
    for (first_file, second_file), paths in sorted(pairs.items()):
        differing = sorted(path for path, differs in paths if differs)
        severity: Severity = "error" if differing or len(paths) > 1 else "warning"
        how = f"{len(differing)} of them with different content" if differing else "with equal content"
        yield _finding(
            first_file,
            "shared-path",
            severity,
            f"installs {counted(len(paths), 'path')} that {second_file} installs too, {how}",
            member=(differing or [paths[0][0]])[0],
            repair=f"leave {names[first_file]} or {names[second_file]} out: `excludes` of the other's recipe does",
            details=tuple(sorted(path for path, _ in paths)),
        )


def _case(wheels: Sequence[WheelFacts]) -> Iterator[Finding]:
    repeated = _repeated(wheel.folded_paths for wheel in wheels)
    alike = {
        path
        for wheel in wheels
        if not repeated.isdisjoint(wheel.folded_paths)
        for path in wheel.paths
        if path.casefold() in repeated
    }
    owners = _owners(wheels, alike)
    folded: defaultdict[str, list[str]] = defaultdict(list)
    for path in owners:
        folded[path.casefold()].append(path)
    for paths in folded.values():
        if len(paths) > 1:
            files = {wheel.file for path in paths for wheel, _ in owners[path]}
            first, second = sorted(paths)[:2]
            text = f"installs a path that differs from another wheel's in case only: {second}"
            yield _finding(
                owners[first][0][0].file, "case", "warning", text, member=first, details=tuple(sorted(files))
            )


def _intruders(wheels: Sequence[WheelFacts], shared: _Owners) -> Iterator[Finding]:
    """Yield wheels that put modules into a regular package of another wheel."""
    homes = {
        item.path.removesuffix("/__init__.py"): wheel
        for wheel in wheels
        for item in wheel.files
        if item.path.count("/") == 1 and item.path.endswith("/__init__.py")
    }
    for wheel in wheels:
        inside = Counter(
            top
            for item in wheel.files
            if (top := item.path.partition("/")[0]) in homes and item.path not in shared and "/" in item.path
        )
        for top, count in inside.items():
            home = homes[top]
            if home is not wheel and not any(item.path == f"{top}/__init__.py" for item in wheel.files):
                text = f"puts {counted(count, 'file')} into the package {top!r}, which is {home.file}'s"
                yield _finding(wheel.file, "foreign-package", "warning", text, member=f"{top}/")


def _stray(wheel: WheelFacts) -> Iterator[Finding]:
    tops = {item.path.partition("/")[0] for item in wheel.files if "/" in item.path} & _STRAY
    for top in sorted(tops - {wheel.name}):
        text = f"installs the top-level folder {top!r}, a name that other wheels take as well"
        yield _finding(wheel.file, "stray-top-level", "warning", text, member=f"{top}/")


def _finding(
    wheel: str,
    rule: str,
    severity: Severity,
    message: str,
    *,
    member: str,
    repair: str = "report it to the wheel's maker, or build it without these files",
    details: tuple[str, ...] = (),
) -> Finding:
    return Finding(
        check="ownership",
        rule=rule,
        severity=severity,
        wheel=wheel,
        member=member,
        message=message,
        evidence=details[0] if details else "",
        repair=repair,
        details=details,
    )
