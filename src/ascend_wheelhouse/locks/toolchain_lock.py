"""The lock of a toolchain: every package by file name and digest, reviewed in git, free of host names.

One file for each kind of builder and node: `lockfiles/toolchains/<name>.toml`. A file's `place` is its path below the
folder of any Debian archive.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import tomli_w

from ascend_wheelhouse.base import toml_text, whole_file
from ascend_wheelhouse.base.artifact import Artifact, BadArtifactError, HasArtifact, as_row, from_row
from ascend_wheelhouse.base.errors import UsageError
from ascend_wheelhouse.base.layered import Layered
from ascend_wheelhouse.locks import lock_version
from ascend_wheelhouse.locks.lock_shape import version
from ascend_wheelhouse.node import documents

FOLDER = "toolchains"
Part = Literal["compiler", "system", "sysroot"]
PARTS: tuple[Part, ...] = get_args(Part)
_SCHEMA = 1
_PACKAGE = re.compile(r"[^_]+_[^_]+_[^_]+\.deb")


def package_file(value: object) -> bool:
    """The file name of a Debian package, `name_version_architecture.deb`."""
    return documents.file_name(value) and _PACKAGE.fullmatch(str(value)) is not None


def part(value: object) -> bool:
    """A part of a toolchain."""
    return isinstance(value, str) and value in PARTS


def schema(value: object) -> bool:
    """A schema that this tool reads."""
    return type(value) is int and value == _SCHEMA


_FILE = {
    "filename": package_file,
    "size": documents.size,
    "sha256": documents.sha256,
    "part": part,
    "place": documents.path,
}
_SHAPE = {
    "schema": schema,
    "name": documents.file_name,
    "gcc": version,
    "host": documents.file_name,
    "machine": documents.file_name,
    "python": version,
    "glibc": version,
    "files": [_FILE],
}


class BadToolchainLockError(UsageError):
    """A toolchain's lock cannot be read."""


@dataclass(frozen=True, kw_only=True)
class LockedPackage(HasArtifact):
    """One package of a toolchain.

    Args:
        artifact: The file.
        part: What it is for.
        place: Its path below the archive's folder.
    """

    artifact: Artifact
    part: Part
    place: str

    @property
    def package(self) -> str:
        """The package's name."""
        return self.filename.partition("_")[0]

    @property
    def version(self) -> str:
        """The package's version, without its epoch."""
        return self.filename.split("_")[1]


@dataclass(frozen=True, kw_only=True)
class ToolchainLock:
    """A toolchain with nothing left to decide.

    Args:
        name: Its name, which is the file's.
        gcc: The compiler's version.
        host: The builder's machine.
        machine: The node's machine.
        python: `major.minor`.
        glibc: The sysroot's C library, `major.minor`.
        files: Its packages.
    """

    name: str
    gcc: str
    host: str
    machine: str
    python: str
    glibc: str
    files: tuple[LockedPackage, ...]

    @property
    def digest(self) -> str:
        """What identifies it: a SHA-256 over its parts and their digests."""
        rows = sorted(f"{file.part} {file.sha256}" for file in self.files)
        return hashlib.sha256("\n".join(rows).encode("ascii")).hexdigest()

    @property
    def foreign(self) -> bool:
        """Whether the node's programs do not run on the builder by themselves."""
        return self.host != self.machine

    def of(self, part: Part) -> list[LockedPackage]:
        """Return the packages of a part."""
        return [file for file in self.files if file.part == part]

    def version_of(self, part: Part, *packages: str) -> str:
        """Return the upstream version of the first of these packages that a part has; else empty."""
        found = [file.version for name in packages for file in self.of(part) if file.package == name]
        return found[0].partition("-")[0] if found else ""


def path_of(lockfiles: Path, name: str) -> Path:
    """Return where the lock of a toolchain is."""
    return lockfiles / FOLDER / f"{name}.toml"


def write_toolchain(lock: ToolchainLock, lockfiles: Path) -> Path:
    """Write a lock, and return where."""
    table = asdict(lock) | {"files": [as_row(file) for file in lock.files], "schema": _SCHEMA}
    path = path_of(lockfiles, lock.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    whole_file.write_whole(path, tomli_w.dumps(table))
    return path


def read_toolchain(lockfiles: Path | Layered, name: str) -> ToolchainLock | None:
    """Return the lock of a toolchain, None where there is none.

    Raises:
        BadToolchainLockError: It cannot be read.
    """
    path = Layered.of(lockfiles).file(f"{FOLDER}/{name}.toml")
    if not path.exists():
        return None
    try:
        lock_version.require(toml_text.read(path, {}), path, known=_SCHEMA)
        return _lock(toml_text.read(path, _SHAPE), name)
    except (OSError, ValueError, BadArtifactError) as error:
        raise BadToolchainLockError(
            f"{path.parent.name}/{path.name} is no lock of a toolchain.",
            why=str(error),
            next_step="restore it from git, or: invoke toolchain --lock",
        ) from error


def _lock(table: dict[str, Any], name: str) -> ToolchainLock:
    if table["name"] != name:
        raise documents.UnsoundError(f"it is of the toolchain {table['name']!r}")
    rows = ({column: row[column] for column in _FILE} for row in table["files"])
    files = tuple(LockedPackage(**from_row(row)) for row in rows)
    return ToolchainLock(**{key: table[key] for key in _SHAPE if key not in {"schema", "files"}}, files=files)


def every_toolchain(lockfiles: Path | Layered) -> Iterator[ToolchainLock]:
    """Yield the lock of every toolchain.

    Raises:
        BadToolchainLockError: One cannot be read.
    """
    for path in Layered.of(lockfiles).below(FOLDER).named("*.toml").values():
        if lock := read_toolchain(lockfiles, path.stem):
            yield lock
