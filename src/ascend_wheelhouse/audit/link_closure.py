"""Check: every library and every symbol that an object needs is there, at versions that the target has.

A library is found as the dynamic linker would find it (search path, then what is loaded already), with the
wheelhouse in place of the disk; the manylinux policy stands for the node's system, recipes say what CANN,
NNAL and the driver supply. A symbol is looked for in the libraries that the object reaches and in its own
wheel, because wheels load their libraries themselves. That proves that loading cannot fail for want of a
library or a symbol of a wheel; what the host supplies is counted, and compared where `--cann-root` gives
the symbols.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from posixpath import dirname, relpath

from ascend_wheelhouse.audit import mangled
from ascend_wheelhouse.audit.advice import MUSL, cpu_build, fitting, host_package, titled, wheel_for_target
from ascend_wheelhouse.audit.policy import AuditPolicy
from ascend_wheelhouse.audit.report import Finding, Severity
from ascend_wheelhouse.audit.system import System
from ascend_wheelhouse.audit.universe import HOST, SYSTEM, Found, Placed, Universe
from ascend_wheelhouse.console.words import be, counted


@dataclass(kw_only=True)
class _Tally:
    """What an object's symbols came to."""

    missing: list[str] = field(default_factory=list)
    too_new: dict[str, str] = field(default_factory=dict)
    host: set[str] = field(default_factory=set)
    absent_on_host: list[str] = field(default_factory=list)


def check(universe: Universe) -> tuple[list[Finding], dict[str, int]]:
    """Return the findings, and the number of symbols left to the host by wheel file name."""
    policy = universe.policy
    system = System.of(policy.target)
    findings: list[Finding] = []
    left: defaultdict[str, set[str]] = defaultdict(set)
    for placed in universe.objects:
        if fault := _wrong_machine(placed, policy):
            findings.append(fault)
            continue
        if cuda := universe.cuda_libraries(placed):
            findings.append(_cuda(placed, cuda, policy))
            continue
        findings += _libraries(placed, universe, policy)
        tally = _symbols(placed, universe, system, policy)
        findings += _verdict(placed, universe, tally, policy)
        left[placed.wheel.file] |= tally.host
    findings += [_left(universe, file, symbols, policy) for file, symbols in left.items() if symbols]
    return findings, {file: len(symbols) for file, symbols in left.items() if symbols}


def _wrong_machine(placed: Placed, policy: AuditPolicy) -> Finding | None:
    machine = policy.target.machine
    if placed.object.machine == machine and placed.object.wide:
        return None
    severity: Severity = "error" if placed.object.kind == "shared" else "warning"
    words = "" if placed.object.wide else ", 32 bits or big-endian,"
    message = f"the object is for {placed.object.machine}{words or ','} and the target is {machine}"
    return _finding(
        placed,
        "machine",
        severity,
        message,
        repair=wheel_for_target(placed.wheel, policy),
        item=titled(placed.wheel),
    )


def _cuda(placed: Placed, libraries: tuple[str, ...], policy: AuditPolicy) -> Finding:
    optional = policy.is_optional(placed.wheel.name, placed.object.path)
    return _finding(
        placed,
        "cuda-object",
        "warning" if optional else "error",
        "the object is built for CUDA and loads on no NPU node"
        + (": its package does without" if optional else ""),
        evidence=", ".join(libraries),
        repair=cpu_build(placed.wheel),
    )


def _libraries(placed: Placed, universe: Universe, policy: AuditPolicy) -> Iterator[Finding]:
    for library in placed.object.needed:
        found = universe.resolve(placed, library)
        if found is None and not universe.left_to_absent(placed):
            yield _missing(placed, library, policy)
        elif isinstance(found, Placed) and not universe.loads(placed, found):
            text = f"needs {library} of {found.wheel.file}, which it neither finds by path nor imports"
            repair = (
                f"have {placed.wheel.name} require {found.wheel.name} and import it first, or set its search path: "
                f"patchelf --set-rpath '$ORIGIN/{_way(placed, found)}' {placed.object.path}"
            )
            yield _finding(placed, "unreachable-library", "warning", text, evidence=library, repair=repair)
        elif isinstance(found, Placed) and found.object.file_name != library.rpartition("/")[2]:
            text = f"needs {library}, and no file is called so: {found.object.path} has that soname alone"
            repair = f"call the file {library}: wheels hold no links; nothing, where it is loaded before this object"
            yield _finding(placed, "soname-alone", "warning", text, evidence=library, repair=repair)
        elif isinstance(found, Placed) and found.wheel is placed.wheel and not universe.on_a_path(found):
            text = f"needs {library} of its own wheel, to which no search path leads: {found.object.path}"
            repair = (
                f"patchelf --set-rpath '$ORIGIN/{_way(placed, found)}' {placed.object.path}; "
                "nothing, where its package loads it before this object"
            )
            yield _finding(placed, "unreachable-library", "warning", text, evidence=library, repair=repair)


def _way(placed: Placed, found: Placed) -> str:
    """Return the folder of one object relative to another's."""
    return relpath(dirname(found.object.path) or ".", dirname(placed.object.path) or ".")


def _missing(placed: Placed, library: str, policy: AuditPolicy) -> Finding:
    wheel, item = placed.wheel, library
    severity: Severity = "error"
    if library.startswith(MUSL):
        text = f"needs {library}: it is built for musl systems, and the target has glibc"
        repair, item = wheel_for_target(wheel, policy), titled(wheel)
    elif "/" in library:
        text = f"needs {library}, a path that the linker takes as it stands, from the folder of the running program"
        name = library.rpartition("/")[2]
        repair = (
            f"give {name} a soname where it is linked, or: patchelf --replace-needed {library} {name} FILE"
        )
    elif package := host_package(library, policy):
        text = f"needs {library}, which is on the node and in no wheel ({package}), and no recipe leaves it to the node"
        recipe = policy.recipes.get(wheel.name, "")
        where = f"recipes/{recipe}.toml" if recipe else f"a recipe of {wheel.name} (recipes/README.md)"
        repair = f"name {library} under `host_libraries` of {where}: the node has it from {package}"
    else:
        text = f"needs {library}, which neither the wheelhouse nor the target has"
        repair = f"add the wheel that has {library}, or name it under `host_libraries` of its recipe if the node has it"
        if policy.is_optional(wheel.name, placed.object.path):
            severity, text = "warning", f"{text}: its package does without"
    return _finding(placed, "missing-library", severity, text, evidence=library, repair=repair, item=item)


def _symbols(placed: Placed, universe: Universe, system: System, policy: AuditPolicy) -> _Tally:
    tally = _Tally()
    for library, symbols in placed.object.asked.items():
        _versioned(universe.resolve(placed, library), symbols, system, tally)
    for text in placed.object.versions:
        version, _, library = text.partition("@")
        if not system.has_version(version) and universe.resolve(placed, library) is SYSTEM:
            tally.too_new.setdefault(version, f"{version} of {library}")
    plain = placed.object.plain_names
    for one in universe.scope(placed) if plain else ():
        plain = plain.difference(one.object.defined_names)
    for name in sorted(plain):
        _unversioned(placed, universe, system, name, tally)
    if policy.host_symbols is not None:
        known = policy.host_symbols
        reached = frozenset().union(*known.values())
        if not universe.not_given(universe.host_libraries(placed)):
            tally.absent_on_host = sorted(tally.host - reached)
            tally.host &= reached
    return tally


def _versioned(found: Found, symbols: Sequence[tuple[str, str]], system: System, tally: _Tally) -> None:
    """Look for the symbols that an object asks of one library, by name and version, in what that library is."""
    if found is HOST:
        tally.host.update(name for name, _ in symbols)
    elif isinstance(found, Placed):
        versions = found.object.defined_versions
        for name, version in symbols:
            if f"{name}@{version}" not in versions and (versions or name not in found.object.defined_names):
                tally.missing.append(f"{name}@{version}")
    elif found is SYSTEM:
        unknown = {version for version in {one[1] for one in symbols} if not system.has_version(version)}
        for name, version in symbols if unknown else ():
            if version in unknown:
                tally.too_new.setdefault(version, f"{mangled.readable(name)}@{version}")


def _unversioned(placed: Placed, universe: Universe, system: System, name: str, tally: _Tally) -> None:
    if mangled.is_closed(name):
        if universe.torch_version or not universe.left_to_absent(placed):
            tally.missing.append(name)
    elif name.startswith(("Py", "_Py")) or system.may_have(name, universe.system_libraries(placed)):
        return
    elif universe.uses_host(placed.wheel):
        tally.host.add(name)
    elif not universe.left_to_absent(placed):
        tally.missing.append(name)


def _verdict(placed: Placed, universe: Universe, tally: _Tally, policy: AuditPolicy) -> Iterator[Finding]:
    missing = [name for name in tally.missing if not universe.abi_differs(placed, name)]
    if missing:
        shown = tuple(mangled.readable(name) for name in sorted(missing))
        yield _finding(
            placed,
            "missing-symbols",
            "error",
            f"{counted(len(missing), 'symbol')} {be(len(missing))} defined by nothing that it is loaded with",
            evidence=shown[0],
            repair=fitting(placed.wheel, universe.torch_version, policy),
            details=(*shown, *(f"mangled: {name}" for name in sorted(missing))),
        )
    for version, evidence in sorted(tally.too_new.items()):
        floor = ".".join(str(part) for part in policy.target.glibc)
        yield _finding(
            placed,
            "symbol-version",
            "error",
            f"needs {version}, newer than a node with glibc {floor} is sure to have",
            evidence=evidence,
            repair=f"{wheel_for_target(placed.wheel, policy)}, or build it there",
            item=titled(placed.wheel),
        )
    if tally.absent_on_host:
        yield _finding(
            placed,
            "missing-host-symbols",
            "error",
            f"{counted(len(tally.absent_on_host), 'symbol')} {be(len(tally.absent_on_host))} not in the CANN given",
            evidence=mangled.readable(tally.absent_on_host[0]),
            repair=f"take the CANN that {titled(placed.wheel)} is made for, or a {placed.wheel.name} for this CANN",
            details=tuple(mangled.readable(name) for name in tally.absent_on_host),
        )


def _left(universe: Universe, file: str, symbols: set[str], policy: AuditPolicy) -> Finding:
    libraries = Counter(
        library
        for placed in universe.objects
        if placed.wheel.file == file
        for library in placed.object.needed
        if universe.resolve(placed, library) is HOST
    )
    how = "compared with the CANN given" if policy.host_symbols is not None else "not compared"
    if lacking := universe.not_given(libraries) if policy.host_symbols is not None else []:
        how += f", which is without the package of {', '.join(lacking)}"
    return Finding(
        check="link-closure",
        rule="left-to-host",
        severity="note",
        wheel=file,
        message=f"{counted(len(symbols), 'symbol')} of {counted(len(libraries), 'library')} "
        f"{be(len(symbols))} left to the host, {how}",
        evidence=", ".join(sorted(libraries)),
        repair="the same command with --cann-root DIR, on a host with CANN, compares them; DIR may be the folder that "
        "NNAL and the driver are in as well, such as /usr/local/Ascend",
        details=tuple(mangled.readable(name) for name in sorted(symbols)),
    )


def _finding(
    placed: Placed,
    rule: str,
    severity: Severity,
    message: str,
    *,
    evidence: str = "",
    repair: str,
    details: tuple[str, ...] = (),
    item: str = "",
) -> Finding:
    return Finding(
        check="link-closure",
        rule=rule,
        severity=severity,
        wheel=placed.wheel.file,
        member=placed.object.member,
        message=message,
        evidence=evidence,
        repair=repair,
        details=details,
        item=item,
    )
