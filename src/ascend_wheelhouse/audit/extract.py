"""Reading one wheel for the audit: one pass over its bytes, hashed, searched and, if objects, parsed.

Members are inflated in pieces; only ELF objects are ever whole in memory, one at a time. Modules that are
loaded when a package is imported are read a second time, as text.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from configparser import Error as ConfigError
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from ascend_wheelhouse.audit import entry_points, hygiene, lost_scripts, reach, record, startup
from ascend_wheelhouse.audit.facts import InstalledFile, ObjectFacts, WheelFacts, symbol_text
from ascend_wheelhouse.audit.hygiene import Place
from ascend_wheelhouse.audit.record import Digested
from ascend_wheelhouse.audit.report import Finding
from ascend_wheelhouse.wheels.elf import MAGIC, BadElfError, ElfFacts, read_elf
from ascend_wheelhouse.wheels.wheel import CHUNK, BadWheelError, Member, RecordRow, WheelFile

_LARGEST_OBJECT = 1 << 30
_OBJECT = ".so"
"""What is so named is most likely an object, and inflated in one go: it is to be whole in memory anyway."""
_MOST_SOURCES = 64 << 20
_SITE_PACKAGES = re.compile(r"lib/python3\.\d+/site-packages/(?=.)")
"""That folder below the root of an environment, where `.data/data` goes."""
_EXTENSION = (".so", ".abi3.so", ".pyd")


def extract(
    path: Path, *, filename: str, sha256: str, python: tuple[int, int], roots: Sequence[str] = ()
) -> WheelFacts:
    """Return the facts of a wheel; whatever is wrong with it becomes a finding.

    Args:
        path: The wheel.
        filename: Its file name, which that of a blob in the store is not.
        sha256: Its digest.
        python: The target's `major, minor`, which decides conditional imports.
        roots: Modules beside its top-level packages that are imported at run time.
    """
    try:
        with WheelFile.open(path, filename=filename) as wheel:
            return _Reading(wheel=wheel, python=python, roots=roots).facts(sha256)
    except BadWheelError as error:
        return WheelFacts(file=filename, sha256=sha256, findings=(_unreadable(filename, error),))


def _unreadable(file: str, error: BadWheelError, member: str = "") -> Finding:
    return record.finding(file, "unreadable", str(error).split("\n\n")[0], member=member)


@dataclass(kw_only=True)
class _Reading:
    """One wheel while it is read."""

    wheel: WheelFile
    python: tuple[int, int]
    roots: Sequence[str]
    findings: list[Finding] = field(default_factory=list)
    digests: dict[str, Digested] = field(default_factory=dict)
    objects: list[ObjectFacts] = field(default_factory=list)
    sources: dict[str, bytes] = field(default_factory=dict)
    kept_sources: int = 0

    def facts(self, sha256: str) -> WheelFacts:
        members = self.wheel.members
        self.findings += hygiene.archive_findings(self.wheel.filename, members)
        if hygiene.is_bomb(members):
            return WheelFacts(
                file=self.wheel.filename, sha256=sha256, findings=tuple(hygiene.folded(self.findings))
            )
        self.findings += record.description_findings(self.wheel)
        self.findings += entry_points.refused_findings(self.wheel)
        self._stream()
        files = self._files()
        sources = reach.modules_of((item.path, member) for member, item in files.items())
        top_level = _top_level(item.path for item in files.values())
        package = reach.Package(
            sources=sources,
            tops=frozenset(name.partition(".")[0] for name in top_level),
            read=self._source,
            python=self.python,
            beside=reach.bundled(files),
            modules=reach.everything(item.path for item in files.values()),
        )
        self.findings += lost_scripts.lost_findings(self.wheel, package.modules)
        imports = reach.external_imports(package, [*reach.natural_roots(sources), *self.roots])
        return WheelFacts(
            file=self.wheel.filename,
            sha256=sha256,
            files=(*files.values(), *self._entry_points()),
            objects=tuple(self.objects),
            imports=imports,
            top_level=top_level,
            findings=tuple(hygiene.folded(self.findings)),
            **self._description(),
        )

    def _source(self, member: str) -> bytes:
        if (known := self.sources.get(member)) is not None:
            return known
        try:
            return self.wheel.read(member)
        except BadWheelError:
            return b""

    def _stream(self) -> None:
        rows: Sequence[RecordRow] | None
        try:
            rows = self.wheel.record
        except BadWheelError as error:
            self.findings.append(_unreadable(self.wheel.filename, error))
            rows = None
        algorithms = {row.path: row.algorithm for row in rows or ()}
        for member in self.wheel.members:
            if not member.is_dir:
                self._member(member, algorithms.get(member.name, ""))
        if rows is not None:
            self.findings += record.record_findings(self.wheel, rows, self.digests)

    def _member(self, member: Member, algorithm: str) -> None:
        place = Place(wheel=self.wheel.filename, member=member.name)
        hashes = [begin() for begin in _hashes(algorithm)]
        kept: bytes | bytearray | None = None
        size = 0
        try:
            for piece in self.wheel.chunks(member, _LARGEST_OBJECT if _OBJECT in member.name else CHUNK):
                for one in hashes:
                    one.update(piece)
                if not size and member.size <= len(piece):
                    kept = piece
                elif not size and piece[:4] == MAGIC:
                    kept = bytearray(min(member.size, _LARGEST_OBJECT))
                if isinstance(kept, bytearray) and size + len(piece) <= len(kept):
                    kept[size : size + len(piece)] = piece
                size += len(piece)
        except BadWheelError as error:
            self.findings.append(_unreadable(self.wheel.filename, error, member.name))
            return
        made = {one.name: one.hexdigest() for one in hashes}
        self.digests[member.name] = Digested(size, made["sha256"], made.get(algorithm, ""))
        if kept is not None or not size:
            self._content(place, kept or b"")

    def _content(self, place: Place, data: bytes | bytearray) -> None:
        if data[:4] != MAGIC:
            source = bytes(data)
            if place.member.endswith(".py") and self.kept_sources <= _MOST_SOURCES:
                self.kept_sources += len(source)
                self.sources[place.member] = source
            self.findings += hygiene.name_findings(place, source)
            self.findings += hygiene.text_findings(place, source)
            self.findings += startup.startup_findings(place, installed_path(place.member), source)
            return
        try:
            facts = read_elf(data)
        except BadElfError as error:
            text = str(error).split("\n\n")[0]
            self.findings.append(place.finding("bad-object", "error", text))
            return
        self.findings += hygiene.object_findings(place, facts, data, installed_path(place.member))
        if facts.kind in {"shared", "executable"}:
            self.objects.append(_object(place.member, facts))

    def _files(self) -> dict[str, InstalledFile]:
        return {
            name: InstalledFile(installed_path(name), digested.sha256)
            for name, digested in self.digests.items()
        }

    def _entry_points(self) -> Iterator[InstalledFile]:
        try:
            scripts = entry_points.scripts_of(self.wheel)
        except (BadWheelError, ConfigError):
            return
        for section, name, starts in scripts:
            text = f"{section}: {''.join(starts.split())}"
            yield InstalledFile(f"{{scripts}}/{name}", hashlib.sha256(text.encode()).hexdigest())

    def _description(self) -> dict[str, Any]:
        """Return what file name and METADATA say, as far as each can be read; what cannot is a finding."""
        try:
            named = {
                "name": self.wheel.name,
                "version": str(self.wheel.version),
                "tags": tuple(sorted(str(tag) for tag in self.wheel.tags)),
            }
            raw = self.wheel.raw_metadata
        except BadWheelError:
            return {}
        return named | {
            "requires": tuple(raw.get("requires_dist", ())),
            "requires_python": raw.get("requires_python", ""),
            "extras": tuple(canonicalize_name(extra) for extra in raw.get("provides_extra", ())),
        }


@cache
def _hashes(algorithm: str) -> tuple[Callable[[], Any], ...]:
    return tuple(getattr(hashlib, name) for name in {"sha256", algorithm} & record.ALGORITHMS)


def installed_path(member: str) -> str:
    """Return where a member goes: relative to site-packages, or below `{scripts}`, `{headers}` or `{data}`."""
    top, _, rest = member.partition("/")
    scheme, _, inner = rest.partition("/")
    if not top.endswith(".data") or scheme not in entry_points.SCHEMES:
        return member
    if scheme == "data" and inner.startswith("bin/"):
        return f"{{scripts}}/{inner.removeprefix('bin/')}"
    if scheme == "data" and (found := _SITE_PACKAGES.match(inner)):
        return inner[found.end() :]
    if scheme == "headers":  # a folder for each distribution: the schemes of pip and uv
        return f"{entry_points.SCHEMES[scheme]}{top.partition('-')[0]}/{inner}"
    return f"{entry_points.SCHEMES[scheme]}{inner}"


def _object(member: str, facts: ElfFacts) -> ObjectFacts:
    return ObjectFacts(
        member=member,
        path=installed_path(member),
        machine=facts.machine,
        kind=facts.kind,
        wide=facts.wide,
        soname=facts.soname,
        needed=facts.needed,
        rpath=facts.runpath or facts.rpath,
        versions=tuple(f"{version}@{library}" for library, version in facts.needed_versions),
        undefined=tuple(symbol_text(symbol) for symbol in facts.undefined),
        defined=tuple(symbol_text(symbol) for symbol in facts.defined),
    )


def _top_level(paths: Iterator[str]) -> tuple[str, ...]:
    """Return import names; a folder without `__init__` gives the names one level below it, dotted."""
    modules = [_module(path) for path in paths if "{" not in path]
    named = [module for module in modules if module]
    regular = {parts[0] for parts in named if len(parts) == 1 or parts[1] == "__init__"}
    return tuple(
        sorted(
            {parts[0] if parts[0] in regular else ".".join(parts[:2]) for parts in named if parts[-1] != ""}
        )
    )


def _module(path: str) -> tuple[str, ...]:
    folder, _, file = path.rpartition("/")
    stem, dot, _ = file.partition(".")
    if not dot or not file.endswith((".py", *_EXTENSION)):
        return ()
    parts = (*folder.split("/"), stem) if folder else (stem,)
    return parts if all(part.isidentifier() for part in parts) else ()
