"""What is read off one wheel, once: facts that do not depend on the other wheels or on the policy.

Facts are a plain value with a JSON form, so that a second audit of the same bytes reads them from the store.
Long columns (symbols, files) are joined into one string there: decoding them is then one `split`.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from itertools import islice
from typing import Any, NamedTuple, get_args

from packaging.tags import parse_tag
from packaging.utils import canonicalize_name
from packaging.version import Version

from ascend_wheelhouse.audit import mangled
from ascend_wheelhouse.audit.report import CHECKS, Finding, Severity
from ascend_wheelhouse.node import documents
from ascend_wheelhouse.wheels.elf import Symbol

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_OF_A_LIBRARY = 2
_VOTES = 500
"""The signs `@` of a symbol that is asked of a certain library."""
SCHEMA = 5
"""Raised with every change of the JSON form; a change of what is read or how it is judged has another key."""


def imported(value: object) -> bool:
    """The JSON form of an `Import`."""
    return isinstance(value, list) and [type(part) for part in value] == [str, str, int]


def check(value: object) -> bool:
    """The name of a check."""
    return isinstance(value, str) and value in CHECKS


def severity(value: object) -> bool:
    """How bad a finding is."""
    return isinstance(value, str) and value in get_args(Severity)


def tags(value: object) -> bool:
    """A tag of a wheel's name, or several in one."""
    try:
        return isinstance(value, str) and bool(parse_tag(value))
    except ValueError:
        return False


def version(value: object) -> bool:
    """A version, or an empty text where the wheel's name has none."""
    try:
        return value == "" or (isinstance(value, str) and bool(Version(value)))
    except ValueError:
        return False


_SHAPE = {
    **dict.fromkeys(("file", "sha256", "name", "requires_python"), str),
    "version": version,
    "tags": [tags],
    **{key: [str] for key in ("requires", "extras", "top_level", "files")},
    "objects": [
        {
            **dict.fromkeys(("member", "path", "machine", "kind", "soname", "undefined", "defined"), str),
            **{key: [str] for key in ("needed", "rpath", "versions")},
            "wide": bool,
        }
    ],
    "imports": [imported],
    "findings": [
        {
            **dict.fromkeys(("rule", "wheel", "member", "message", "evidence", "repair", "item"), str),
            "check": check,
            "severity": severity,
            "details": [str],
        }
    ],
}


class InstalledFile(NamedTuple):
    """One file that the wheel installs.

    Args:
        path: Where it goes: relative to site-packages, or below `{scripts}`, `{data}` or `{headers}`.
        sha256: Hexadecimal digest; for a script made from an entry point, of what that starts.
    """

    path: str
    sha256: str


class Import(NamedTuple):
    """An import of something outside the wheel: the dotted name, and the first place that has it."""

    name: str
    member: str
    line: int


@dataclass(frozen=True, kw_only=True)
class ObjectFacts:
    """One ELF object of a wheel, its symbols as `name`, `name@version` or `name@version@library`.

    `versions` holds what it is not loaded without, as `version@library`.
    """

    member: str
    path: str
    machine: str
    kind: str
    wide: bool
    soname: str = ""
    needed: tuple[str, ...] = ()
    rpath: tuple[str, ...] = ()
    versions: tuple[str, ...] = ()
    undefined: tuple[str, ...] = ()
    defined: tuple[str, ...] = ()

    @cached_property
    def defined_names(self) -> frozenset[str]:
        """The names of the symbols that it defines."""
        return frozenset(text.partition("@")[0] for text in self.defined)

    @cached_property
    def defined_versions(self) -> frozenset[str]:
        """The symbols that it defines with a version, as `name@version`."""
        return frozenset(text for text in self.defined if "@" in text)

    @cached_property
    def asked(self) -> Mapping[str, Sequence[tuple[str, str]]]:
        """The symbols that it asks of a certain library: their names and versions, by library."""
        found: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
        for text in self.undefined:
            name, _, rest = text.partition("@")
            version, stated, library = rest.partition("@")
            if stated:
                found[library].append((name, version))
        return found

    @cached_property
    def plain_names(self) -> frozenset[str]:
        """The names of the symbols that it takes from whatever library has them."""
        return frozenset(text.partition("@")[0] for text in self.undefined if text.count("@") < _OF_A_LIBRARY)

    @cached_property
    def asked_by_abi(self) -> Mapping[str, Sequence[str]]:
        """What it asks of the namespaces of wheels, by the C++11 ABI that it was compiled with: `new` or `old`."""
        found: defaultdict[str, list[str]] = defaultdict(list)
        for text in self.undefined:
            name = text.partition("@")[0]
            if (abi := mangled.string_abi(name)) and mangled.is_closed(name):
                found[abi].append(name)
        return found

    @cached_property
    def exported_abis(self) -> Counter[str]:
        """How many of its first symbols of wheels' namespaces are of each C++11 ABI: `new` or `old`."""
        shown = (
            abi
            for name in self.defined_names
            if (abi := mangled.string_abi(name)) and mangled.is_closed(name)
        )
        return Counter(islice(shown, _VOTES))

    @property
    def file_name(self) -> str:
        """The object's file name."""
        return self.path.rpartition("/")[2]


@dataclass(frozen=True, kw_only=True)
class WheelFacts:
    """Everything that the checks need of one wheel.

    Args:
        file: File name.
        sha256: Digest of the whole file.
        name: Normalised distribution name from the file name; empty when the name cannot be parsed.
        version: Version from the file name.
        tags: Tags of the file name.
        requires: `Requires-Dist` lines as they stand.
        requires_python: `Requires-Python` as it stands, or empty.
        extras: `Provides-Extra`, normalised.
        top_level: Import names that the wheel provides; dotted below namespace packages.
        files: What it installs.
        objects: Its ELF objects.
        imports: What it imports at import time and does not hold itself.
        findings: What could be judged from this wheel alone.
    """

    file: str
    sha256: str
    name: str = ""
    version: str = ""
    tags: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    requires_python: str = ""
    extras: tuple[str, ...] = ()
    top_level: tuple[str, ...] = ()
    files: tuple[InstalledFile, ...] = ()
    objects: tuple[ObjectFacts, ...] = ()
    imports: tuple[Import, ...] = ()
    findings: tuple[Finding, ...] = ()

    @cached_property
    def paths(self) -> frozenset[str]:
        """Where its files go."""
        return frozenset(item.path for item in self.files)

    @cached_property
    def folded_paths(self) -> frozenset[str]:
        """The same for who does not tell capitals from small letters."""
        return frozenset(path.casefold() for path in self.paths)

    @cached_property
    def required_names(self) -> frozenset[str]:
        """Normalised names of all distributions that it requires, under whatever marker."""
        return frozenset(
            canonicalize_name(found.group()) for text in self.requires if (found := _NAME.match(text))
        )


def symbol_text(symbol: Symbol) -> str:
    """Return a symbol as facts hold it."""
    if symbol.library:
        return f"{symbol.name}@{symbol.version}@{symbol.library}"
    return f"{symbol.name}@{symbol.version}" if symbol.version else symbol.name


def to_json(facts: WheelFacts) -> dict[str, Any]:
    """Return the JSON form of facts."""
    plain = {
        item.name: getattr(facts, item.name)
        for item in fields(facts)
        if item.name not in {"files", "objects", "findings"}
    }
    return plain | {
        "schema": SCHEMA,
        "files": ["\n".join(column) for column in zip(*facts.files, strict=True)],
        "objects": [_object_json(item) for item in facts.objects],
        "findings": [asdict(finding) for finding in facts.findings],
    }


def from_json(data: Mapping[str, Any]) -> WheelFacts:
    """Return the facts of their JSON form.

    Raises:
        KeyError, TypeError, ValueError: The data are of another schema, or are no facts.
    """
    if data["schema"] != SCHEMA:
        raise KeyError(SCHEMA)
    if fault := documents.fault(data, _SHAPE):
        raise ValueError(fault)
    columns = [column.split("\n") for column in data["files"]]
    plain: dict[str, Any] = {
        key: data[key] for key in ("file", "sha256", "name", "version", "requires_python")
    }
    plain |= {key: tuple(data[key]) for key in ("tags", "requires", "extras", "top_level")}
    return WheelFacts(
        **plain,
        files=tuple(map(InstalledFile._make, zip(*columns, strict=True))),
        objects=tuple(_object(item) for item in data["objects"]),
        imports=tuple(Import(*item) for item in data["imports"]),
        findings=tuple(Finding(**(item | {"details": tuple(item["details"])})) for item in data["findings"]),
    )


def _object_json(item: ObjectFacts) -> dict[str, Any]:
    plain = {entry.name: getattr(item, entry.name) for entry in fields(item)}
    return plain | {"undefined": "\n".join(item.undefined), "defined": "\n".join(item.defined)}


def _object(data: Mapping[str, Any]) -> ObjectFacts:
    columns = {key: _split(data[key]) for key in ("undefined", "defined")}
    texts = {key: tuple(data[key]) for key in ("needed", "rpath", "versions")}
    return ObjectFacts(**{**data, **columns, **texts})


def _split(text: str) -> Sequence[str]:
    return tuple(text.split("\n")) if text else ()
