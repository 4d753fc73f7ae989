"""Make a built wheel fit for other hosts: libraries, tag, and no trace of the builder.

auditwheel does the grafting. What it may leave to the host is the recipe's explicit list, never whatever
happens to be missing; the tag that it measures is held against the target's floor; RPATHs must stay inside
site-packages; and no member may carry a path of the builder.
"""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from tempfile import TemporaryDirectory

from ascend_wheelhouse.base.errors import BuildError
from ascend_wheelhouse.base.process import run
from ascend_wheelhouse.build.auditing import Auditwheel, auditwheel
from ascend_wheelhouse.build.library_source import LibraryFile, LibrarySource
from ascend_wheelhouse.build.symbol_floor import newest_tag
from ascend_wheelhouse.cells.spec import Repair
from ascend_wheelhouse.node.verify.sealed import SYSTEM_PATH
from ascend_wheelhouse.wheels.elf import MAGIC, ElfFacts, read_elf
from ascend_wheelhouse.wheels.wheel import Member, WheelFile

_MANYLINUX = re.compile(r"manylinux_(\d+)_(\d+)_")
_LIBC_UNKNOWN = "couldn't detect libc"
"""What auditwheel says of an extension that links none and is not called `*-linux-gnu.so` (its `wheel_abi.py`)."""
_LEGACY = {"manylinux1": (2, 5), "manylinux2010": (2, 12), "manylinux2014": (2, 17)}


class LibraryMissingError(BuildError):
    """A shared object needs a library that nobody has and that is not left to the host."""


class FloorError(BuildError):
    """A wheel needs a newer glibc than the target's floor."""


class BuilderTraceError(BuildError):
    """A member of a wheel carries a path of the builder, or an RPATH that leads out of site-packages."""


class RepairFailedError(BuildError):
    """auditwheel failed for another reason."""


@dataclass(frozen=True, kw_only=True)
class Repaired:
    """A wheel that may leave the builder, and what repair did to it.

    Args:
        wheel: The file.
        platform: Its platform tags.
        note: What the manifest shall say of it.
        additions: Files that its `.dist-info` shall get, which tell of what was grafted.
    """

    wheel: Path
    platform: str
    note: str = ""
    additions: Mapping[str, bytes] = field(default_factory=dict)


class GraftedFromHostError(BuildError):
    """A library of this host was grafted where only those of a toolchain or an image may be."""


def repair_wheel(
    wheel: Path,
    destination: Path,
    *,
    rules: Repair,
    host_libraries: Sequence[str],
    libraries: LibrarySource | None = None,
    audit: Auditwheel = auditwheel,
) -> Repaired:
    """Graft what the wheel needs, tag it, and return the result in `destination`.

    Args:
        wheel: The wheel as the build left it.
        destination: An existing folder.
        rules: The recipe's repair table for this cell.
        host_libraries: sonames or patterns of what the host provides (CANN, NNAL, the driver).
        libraries: The only ones that may be grafted, of a toolchain or an image; None for those of this host.
        audit: Runs auditwheel.

    Raises:
        LibraryMissingError, FloorError, BuilderTraceError, GraftedFromHostError, RepairFailedError: See each class.
    """
    if _is_pure(wheel):
        target = destination / wheel.name
        target.write_bytes(wheel.read_bytes())
        return Repaired(wheel=target, platform="any")
    with TemporaryDirectory(prefix="wheelhouse-repair-", dir=destination) as folder:
        where = ("--ldpaths", ":".join(map(str, libraries.folders))) if libraries else ()
        words = (*where, *_excludes(rules, host_libraries), wheel)
        said = audit("repair", "--plat", "auto", "--only-plat", "-w", folder, *words)
        if _LIBC_UNKNOWN in said:
            said = _repair_for_glibc(Path(folder), words, platform_of(wheel), audit)
        made = next(iter(sorted(Path(folder).glob("*.whl"))), None)
        if made is None or floor_of(platform_of(made)) is None:
            _refuse_missing(wheel, (*rules.needs, *host_libraries), libraries)
        if made is None:
            raise _failure(wheel, said)
        chosen, note = _held_against_floor(wheel, made, rules, libraries)
        target = destination / chosen.name
        target.write_bytes(chosen.read_bytes())
    check_rpaths(target)
    taken = _taken_along(wheel, target)
    if libraries:
        return _told(target, note, _grafted(wheel, taken, libraries), libraries)
    names = ", ".join(sorted(name.rpartition("/")[2] for name in taken))
    of_host = names and f"grafted {names} of the host"
    return Repaired(wheel=target, platform=platform_of(target), note="; ".join(filter(None, (note, of_host))))


def _repair_for_glibc(folder: Path, words: Sequence[str | Path], platform: str, audit: Auditwheel) -> str:
    """Repair a wheel with an extension that links no C library and whose name does not say which one it is for.

    auditwheel takes the C library from a platform that is asked for by name. It measures all the same, and puts what it
    measured beside that: the tag that fits is asked for then.
    """
    machine = platform.removeprefix("linux_")
    said = audit("repair", "--plat", newest_tag(machine), "-w", folder, *words)
    for measured in folder.glob("*.whl"):
        if floor := floor_of(platform_of(measured)):
            measured.unlink()
            plat = f"manylinux_{floor[0]}_{floor[1]}_{machine}"
            said = audit("repair", "--plat", plat, "--only-plat", "-w", folder, *words)
    return said


def _told(
    target: Path, note: str, grafted: Mapping[str, tuple[LibraryFile, bytes]], libraries: LibrarySource
) -> Repaired:
    """Return a repaired wheel with what is said of the libraries in it."""
    told = ", ".join(sorted({library.told for library, _ in grafted.values()}))
    return Repaired(
        wheel=target,
        platform=platform_of(target),
        note="; ".join(filter(None, (note, told and f"grafted {told}"))),
        additions=dict(libraries.additions(grafted)),
    )


def _is_pure(wheel: Path) -> bool:
    return platform_of(wheel) == "any"


def _excludes(rules: Repair, host_libraries: Iterable[str]) -> Iterator[str]:
    for pattern in (*rules.needs, *host_libraries):
        yield from ("--exclude", pattern)


def _failure(wheel: Path, said: str) -> RepairFailedError:
    return RepairFailedError(
        f"auditwheel could not repair {wheel.name}.",
        why=said[-800:],
        next_step=f"auditwheel show {shlex.quote(str(wheel))}",
    )


def _refuse_missing(wheel: Path, left: Sequence[str], libraries: LibrarySource | None) -> None:
    """Raise when libraries are neither in the wheel nor to be grafted nor left to the node; the text names all."""
    objects = dict(_shared_objects(wheel))
    inside = {Path(name).name for name in objects} | {facts.soname for facts in objects.values()}
    here = inside | (libraries.of_nodes | set(libraries.known) if libraries else _libraries_here())
    missing: dict[str, str] = {}
    wanted = [(library, name) for name, facts in objects.items() for library in facts.needed]
    seen: set[str] = set()
    while wanted:
        library, name = wanted.pop()
        if library in seen or any(fnmatchcase(library, pattern) for pattern in left):
            continue
        seen.add(library)
        if library not in here:
            missing[library] = name
        elif libraries and library not in libraries.of_nodes | inside:
            wanted += [(further, library) for further in libraries.needed(library)]
    if missing:
        needs = "; ".join(f"{library} (needed by {name})" for library, name in sorted(missing.items()))
        by = libraries.owner if libraries else "this builder"
        remedy = libraries.remedy if libraries else "install them here"
        raise LibraryMissingError(
            f"{wheel.name} needs libraries that are nowhere: {needs}.",
            why=f"Neither the wheel, nor {by}, nor the recipe's `host_libraries` has them.",
            next_step=f"list those under `host_libraries` of the recipe that every node has; for the others {remedy}",
        )


def needs_of(wheel: Path) -> frozenset[str]:
    """Return the sonames that a wheel's shared objects need and that none of its files has."""
    objects = dict(_shared_objects(wheel))
    inside = {Path(name).name for name in objects} | {facts.soname for facts in objects.values()}
    return frozenset(library for facts in objects.values() for library in facts.needed) - inside


def _taken_along(original: Path, repaired: Path) -> dict[str, bytes]:
    """Return the libraries that repair put into a wheel, by member."""
    with WheelFile.open(original) as wheel:
        before = {member.name for member in wheel.members}
    with WheelFile.open(repaired) as wheel:
        new = [member for member in wheel.members if member.name not in before and not member.is_dir]
        return {one.name: b"".join(wheel.chunks(one)) for one in new if ".libs/" in one.name}


def _grafted(
    original: Path, data: Mapping[str, bytes], libraries: LibrarySource
) -> dict[str, tuple[LibraryFile, bytes]]:
    """Return what repair put into a wheel, each with where it is from; refuse what is of this host."""
    sources = {name: libraries.source_of(name) for name in sorted(data)}
    if strangers := [name for name, library in sources.items() if library is None]:
        raise GraftedFromHostError(
            f"{original.name} would take libraries along that are not of {libraries.owner}: {', '.join(strangers)}.",
            why="An RPATH of a member led auditwheel to a folder of this host.",
            next_step="drop the -rpath from the recipe's link flags",
        )
    return {name: (library, data[name]) for name, library in sources.items() if library}


def _libraries_here() -> set[str]:
    ldconfig = (
        shutil.which("ldconfig", path=SYSTEM_PATH) or "ldconfig"
    )  # an ordinary user's path may lack /sbin
    return {line.split()[0] for line in run([ldconfig, "-p"]).stdout.splitlines()[1:] if line.strip()}


def _shared_objects(path: Path) -> Iterator[tuple[str, ElfFacts]]:
    with WheelFile.open(path) as wheel:
        for member in wheel.members:
            if next(wheel.chunks(member), b"")[: len(MAGIC)] == MAGIC:
                yield member.name, read_elf(b"".join(wheel.chunks(member)))


def platform_of(wheel: Path) -> str:
    """Return the platform tags of a wheel's file name."""
    return wheel.stem.rsplit("-", 1)[1]


def floor_of(platform: str) -> tuple[int, int] | None:
    """Return the oldest glibc that a platform tag promises; None for a `linux_<arch>` tag."""
    found = [(int(match[1]), int(match[2])) for match in _MANYLINUX.finditer(platform)]
    found += [glibc for name, glibc in _LEGACY.items() if platform.startswith(f"{name}_")]
    return min(found) if found else None


def _held_against_floor(
    original: Path, repaired: Path, rules: Repair, libraries: LibrarySource | None
) -> tuple[Path, str]:
    reached, wanted = floor_of(platform_of(repaired)), floor_of(rules.platform)
    if wanted is None or (reached is not None and reached <= wanted):
        return repaired, ""
    if rules.linux_tag:
        return original, f"keeps {platform_of(original)}: {rules.linux_tag}"
    where = ("--ldpaths", ":".join(map(str, libraries.folders))) if libraries else ()
    shown = auditwheel("show", *where, original)
    if _LIBC_UNKNOWN in shown:
        shown = auditwheel("show", *where, repaired)
    raise FloorError(
        f"{original.name} reaches {platform_of(repaired)}, the target's floor is {rules.platform}.",
        why=" ".join(shown.split())[-600:],
        next_step="name newer nodes with --glibc, or take the library along from an older suite"
        if libraries and libraries.has_floor
        else "build with a toolchain of ours, which hides what is too new (--toolchain own), or in an older system: "
        "--container with the recipe's manylinux image",
    )


def check_rpaths(wheel: Path) -> None:
    """Raise `BuilderTraceError` where an RPATH of a wheel does not start at `$ORIGIN`."""
    bad = [
        f"{name}: {path or 'an empty entry'}"
        for name, facts in _shared_objects(wheel)
        for path in (*facts.rpath, *facts.runpath)
        if not path.startswith(("$ORIGIN", "${ORIGIN}"))
    ]
    if bad:
        raise BuilderTraceError(
            f"{wheel.name} has RPATHs that lead out of site-packages: {'; '.join(bad)}.",
            why="On a node such a folder is absent, or holds something else.",
            next_step="drop the -rpath from the recipe's link flags, or list it in an edit of the recipe",
        )


def check_traces(wheel: Path, needles: Iterable[str], *, allowed: Sequence[str] = ()) -> None:
    """Raise `BuilderTraceError` where a member of a wheel holds one of the builder's paths.

    Args:
        wheel: The finished wheel.
        needles: Paths of the builder: the work folder, the source and environment as seen in the sandbox.
        allowed: Patterns of members that may carry such a path, from the recipe.
    """
    wanted = [needle.encode() for needle in needles]
    found: list[str] = []
    with WheelFile.open(wheel) as opened:
        for member in opened.members:
            if not any(fnmatchcase(member.name, pattern) for pattern in allowed):
                found += [f"{member.name}: {path.decode()}" for path in _carried(opened, member, wanted)]
    if found:
        raise BuilderTraceError(
            f"{wheel.name} carries paths of the builder: {'; '.join(found)}.",
            why="They do not exist on a node, and they make the wheel differ from builder to builder.",
            next_step="find what writes them; a compiled file needs -ffile-prefix-map, a text file an edit",
        )


def _carried(wheel: WheelFile, member: Member, needles: Sequence[bytes]) -> list[bytes]:
    seen: set[bytes] = set()
    keep = max(map(len, needles), default=1)
    tail = b""
    for chunk in wheel.chunks(member):
        window = tail + chunk
        seen |= {needle for needle in needles if needle in window}
        tail = window[-keep:]
    return sorted(seen)
