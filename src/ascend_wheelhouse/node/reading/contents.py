"""What a wheelhouse says of itself: `manifest.json`, read into frozen objects.

The manifest lists every file of the wheelhouse but itself, `SHA256SUMS` and the signatures; the cell is the
set of versions that were made to fit each other and that the node is compared with.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import NoneType
from typing import Any

from .. import documents
from ..errors import IntegrityError

SCHEMA = 1
NAME = "manifest.json"
_LONGEST_PATTERN = 500
_TEXT = (str, NoneType)


def schema_that_this_version_reads(value: object) -> bool:
    """The number of the form in which manifests are written."""
    return type(value) is int and value == SCHEMA


def platform(value: object) -> bool:
    """A machine's name, such as `aarch64`."""
    return isinstance(value, str) and re.fullmatch(r"[a-z0-9_]+", value) is not None


def pattern(value: object) -> bool:
    """A regular expression for the name of a file."""
    try:
        return isinstance(value, str) and len(value) <= _LONGEST_PATTERN and bool(re.compile(value))
    except (re.error, OverflowError, RecursionError):
        return False


def folder(value: object) -> bool:
    """A folder below another, or an empty text for that one itself."""
    return value == "" or documents.path(value)


FILE = {
    "path": documents.path,
    "size": documents.size,
    "sha256": documents.sha256,
    "kind": str,
    "name?": _TEXT,
    "version?": _TEXT,
    "component?": _TEXT,
    "origin?": _TEXT,
    "note?": _TEXT,
}
_PACKAGE = {
    "component": documents.name,
    "names": [{"pattern": pattern, "npu": str}],
    "order": int,
    "flags": [documents.name],
    "for_all": bool,
    "of_cann": bool,
    "into": folder,
}
SHAPE = {
    "schema": schema_that_this_version_reads,
    "stack": documents.file_name,
    "platform": platform,
    "serial?": (documents.size, NoneType),
    "cell": {...: str},
    "files": [FILE],
    "pending?": [{"component": str, "reason": str, "supply": str, "urls?": [str]}],
    "post_install?": [{"component": str, "action": str, "path": str, "target": str, "why?": str}],
    "packages?": [_PACKAGE],
    "node?": {"hdk?": [str], "python?": [str], "source?": str, "barred?": {...: [str]}},
    "serving?": {
        "command?": [str],
        "imports?": [str],
        "standins?": bool,
        "environment?": {...: str},
        "known_failures?": {...: str},
        "topologies?": {
            ...: {"arguments?": [str], "environment?": {...: str}, "unset?": [str], "source?": str}
        },
        "pairs?": {...: {"prefill": str, "decode": str, "router": str}},
    },
}
"""What every reader of a `manifest.json` may rely on."""
WHOLE = SHAPE | {"complete": bool, "derived": bool, "notes": [str], "pending": SHAPE["pending?"]}
"""What a finished wheelhouse holds."""


class ManifestError(IntegrityError):
    """`manifest.json` is not one, or of a schema that this installer does not know."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One file: its path below the wheelhouse, its size in bytes and digest, and what it is."""

    path: str
    size: int
    sha256: str
    kind: str
    name: str = ""
    version: str = ""
    component: str = ""


@dataclass(frozen=True, kw_only=True)
class Contents:
    """A manifest.

    Args:
        digest: The sha256 of `manifest.json`'s bytes: the identity of the wheelhouse.
        stack: The stack's name.
        platform: `aarch64` or `x86_64`.
        serial: The signer's counter; None where the wheelhouse was never signed.
        cell: The versions that belong together, such as `{"cann": "8.3.RC2", "npu": "a3"}`.
        files: Every file.
        pending: Components that the wheelhouse lacks.
        post_install: What the recipes ask for after the wheels are in.
        packages: The kinds of `.run` packages: names upstream, and how each is installed.
        environment: Variables that the server wants.
        node: What is stated of the node: lines of driver releases (`hdk`), requirements of CANN's own Python tools
            (`python`), and where that stands (`source`); and releases of the cell's Python that wheels exclude, by the
            wheels' names (`barred`).
    """

    digest: str
    stack: str
    platform: str
    serial: int | None = None
    cell: Mapping[str, str] = field(default_factory=dict)
    files: tuple[Entry, ...] = ()
    pending: tuple[Mapping[str, str], ...] = ()
    post_install: tuple[Mapping[str, str], ...] = ()
    packages: tuple[Mapping[str, Any], ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    node: Mapping[str, Any] = field(default_factory=dict)

    def packaged(self) -> frozenset[str]:
        """Return the components whose `.run` packages the wheelhouse carries, such as `nnal`, by their files' names."""
        names = [entry.path.rpartition("/")[2] for entry in self.of_kind("payload")]
        return frozenset(
            str(package["component"])
            for package in self.packages
            if any(re.fullmatch(one["pattern"], name) for one in package["names"] for name in names)
        )

    def of_kind(self, kind: str) -> tuple[Entry, ...]:
        """Return the files of one kind, in the manifest's order."""
        return tuple(entry for entry in self.files if entry.kind == kind)

    @property
    def requirements(self) -> str:
        """The path of the pinned and hashed requirements file."""
        return f"requirements.{self.platform}.txt"


def read_contents(data: bytes) -> Contents:
    """Read the bytes of a `manifest.json`.

    Raises:
        ManifestError: They are not JSON, of another schema, or lack a field.
    """
    try:
        raw = documents.read(data, {"schema": int})
        if raw["schema"] != SCHEMA:
            raise ManifestError(
                f"The manifest has schema {raw['schema']}; this installer knows {SCHEMA}.",
                next_step="use the install.py that came with the wheelhouse",
            )
        return _contents(documents.read(data, SHAPE), hashlib.sha256(data).hexdigest())
    except documents.UnsoundError as error:
        raise ManifestError(
            f"manifest.json cannot be read: {error}.", next_step="copy the wheelhouse again"
        ) from error


def _contents(raw: Mapping[str, Any], digest: str) -> Contents:
    return Contents(
        digest=digest,
        stack=raw["stack"],
        platform=raw["platform"],
        serial=raw.get("serial"),
        cell=raw["cell"],
        files=tuple(_entry(item) for item in raw["files"]),
        pending=tuple(raw.get("pending", ())),
        post_install=tuple(raw.get("post_install", ())),
        packages=tuple(raw.get("packages", ())),
        environment=raw.get("serving", {}).get("environment", {}),
        node=dict(raw.get("node", {})),
    )


def _entry(item: Mapping[str, Any]) -> Entry:
    return Entry(
        path=item["path"],
        size=item["size"],
        sha256=item["sha256"],
        kind=item["kind"],
        name=item.get("name") or "",
        version=item.get("version") or "",
        component=item.get("component") or "",
    )
