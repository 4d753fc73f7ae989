"""A file by its name, size and digest: the one record of these three, which every other record of a file holds.

What an origin says of a file before it is here is `Expected`, and may leave out size or digest. An `Artifact` is
complete, and its name is a bare one: nothing that a lock, an index or a record says can lead out of a folder.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from types import NoneType
from typing import Any

from ascend_wheelhouse.base.errors import IntegrityError

_SHA256 = re.compile(r"[0-9a-f]{64}")
_NOT_BARE = re.compile(r"[/\\\x00-\x1f\x7f]")
_COLUMNS = ("filename", "size", "sha256")


class BadArtifactError(IntegrityError):
    """What is said of a file cannot be: a name with a path in it, a negative size, or no sha256."""

    def __init__(self, what: str) -> None:
        super().__init__(
            what,
            why="A lock or a record was edited by hand, or an index offers what it should not.",
            next_step="restore the lock from git, import the file again, or check `pip config list`",
        )


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """One file, whole and known.

    Args:
        filename: Its name, without any folder.
        size: Bytes.
        sha256: Its digest, 64 hexadecimal digits in lower case.

    Raises:
        BadArtifactError: One of them has another form.
    """

    filename: str
    size: int
    sha256: str

    def __post_init__(self) -> None:
        if self.filename in {"", ".", ".."} or _NOT_BARE.search(self.filename):
            raise BadArtifactError(f"{self.filename!r} is not a bare file name.")
        if type(self.size) is not int or self.size < 0:
            raise BadArtifactError(f"{self.filename}: {self.size!r} is not a size in bytes.")
        if not isinstance(self.sha256, str) or not _SHA256.fullmatch(self.sha256):
            raise BadArtifactError(f"{self.filename}: {self.sha256!r} is not a sha256.")


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What is said of a file that is not here yet: size in bytes and digest, None where nothing promises one."""

    size: int | None = None
    sha256: str | None = None


class HasArtifact:
    """Reads name, size and digest from the `artifact` that a record holds."""

    artifact: Artifact

    @property
    def filename(self) -> str:
        """Its name, without any folder."""
        return self.artifact.filename

    @property
    def size(self) -> int:
        """Bytes."""
        return self.artifact.size

    @property
    def sha256(self) -> str:
        """Its digest."""
        return self.artifact.sha256


_FLAT = (str, int, float, NoneType, Artifact)
"""What needs no copy, which `asdict` makes of all."""


def as_row(record: Any) -> dict[str, Any]:  # noqa: ANN401 - any dataclass
    """Return a record as one flat table: the columns of its artifact stand where the artifact does."""
    values = {one.name: getattr(record, one.name) for one in fields(record)}
    if not all(isinstance(value, _FLAT) for value in values.values()):
        values = asdict(record)
    row: dict[str, Any] = {}
    for key, value in values.items():
        artifact = getattr(record, key)
        if isinstance(artifact, Artifact):
            row |= {column: getattr(artifact, column) for column in _COLUMNS}
        else:
            row[key] = value
    return row


def from_row(row: Mapping[str, Any], key: str = "artifact") -> dict[str, Any]:
    """Return a flat table with its artifact's columns as one artifact under `key`: what `as_row` wrote, read back.

    Raises:
        KeyError: A column is missing.
        BadArtifactError: A column has another form.
    """
    others = {name: value for name, value in row.items() if name not in _COLUMNS}
    return others | {key: Artifact(**{name: row[name] for name in _COLUMNS})}
