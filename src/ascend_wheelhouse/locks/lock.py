"""The lock of one cell: what was decided, reviewed in git, free of host names and absolute paths.

Three files in `lockfiles/<stack-id>/`: `pylock.<platform>.toml` (every wheel; PEP 751, with the cell and the
resolver's inputs in `[tool.ascend-wheelhouse]`), `sources.<platform>.toml` (what is built, from which bytes, in which
environment) and `payloads.<platform>.toml` (what is installed into the host). `requirements.<platform>.txt` is
written beside them for pip and pip-sync, and only compared. They are one set: a reader never sees files of two locks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import tomli_w
from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import Version

from ascend_wheelhouse.base import toml_text, whole_file
from ascend_wheelhouse.base.artifact import Artifact, BadArtifactError, HasArtifact, as_row, from_row
from ascend_wheelhouse.base.errors import UsageError
from ascend_wheelhouse.base.layered import Layered
from ascend_wheelhouse.cells.cell import Cell
from ascend_wheelhouse.cells.target import Target
from ascend_wheelhouse.locks import lock_requirements, lock_shape, lock_version, pylock
from ascend_wheelhouse.locks.pylock import LockedFile
from ascend_wheelhouse.node import documents

_SET = (("pylock", "toml"), ("sources", "toml"), ("payloads", "toml"), ("requirements", "txt"))
UNLOCKED = "none of its sources could be reached when the lock was made"


class BadLockError(UsageError):
    """A lock file cannot be read; the text names the file and the key."""


@dataclass(frozen=True, kw_only=True)
class LockedSource:
    """A component that is built from source.

    Args:
        component: Recipe name.
        version: The release.
        origin: `sdist` or `git`.
        archive: The source archive; None for git, whose commits `build` names.
        commit: The commit, for git.
        environment: Every wheel of the build environment.
        wheel: The wheel that the build gives; None while it is not built.
        build: What the build starts from, see `build.job.Sources`, and by which table, see `build.build_table`.
    """

    component: str
    version: str
    origin: str
    archive: Artifact | None = None
    commit: str = ""
    environment: tuple[LockedFile, ...] = ()
    wheel: LockedFile | None = None
    build: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class LockedPayload(HasArtifact):
    """A file that is installed into the host, such as CANN's toolkit."""

    component: str
    version: str
    artifact: Artifact
    origin: str


@dataclass(frozen=True, kw_only=True)
class Pending:
    """A component that no origin gave.

    Args:
        component: Its name.
        reason: Why, origin by origin; not kept in lock files.
        supply: What would supply it.
        urls: Where its file is published; not kept in lock files.
    """

    component: str
    reason: str
    supply: str
    urls: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What the resolver was asked, so that a lock can be checked and made again."""

    requirements: tuple[str, ...]
    constraints: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    closed: tuple[str, ...] = ()
    exclude_newer: str = ""
    resolver: str = ""
    extra_indexes: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Lock:
    """Everything that was decided for one cell.

    Args:
        stack: Stack id, the folder's name.
        platform: The machine.
        cell: The cell as the manifest carries it.
        derived: Whether the cell came from rules instead of a stack file.
        recipes_digest: Digest of the recipes that the lock was made with.
        wheels: Every wheel that comes ready-made, by name.
        sources: What is built.
        payloads: What is installed into the host.
        pending: What no origin gave when the lock was made.
        inputs: What the resolver was asked.
    """

    stack: str
    platform: str
    cell: dict[str, str]
    derived: bool
    recipes_digest: str
    wheels: tuple[LockedFile, ...]
    sources: tuple[LockedSource, ...] = ()
    payloads: tuple[LockedPayload, ...] = ()
    pending: tuple[Pending, ...] = ()
    inputs: Inputs = field(default_factory=lambda: Inputs(requirements=()))

    @property
    def installed(self) -> tuple[LockedFile, ...]:
        """Every wheel of the environment that there is: ready-made ones, and built ones once built."""
        built = [source.wheel for source in self.sources if source.wheel]
        return tuple(sorted((*self.wheels, *built), key=lambda wheel: wheel.name))


def files(lock: Lock, target: Target) -> dict[str, str]:
    """Return the lock's files, name to text; equal locks give equal texts."""
    tool = {
        "schema": lock_version.SCHEMA,
        "stack": lock.stack,
        "derived": lock.derived,
        "recipes-digest": lock.recipes_digest,
        "cell": lock.cell,
        "inputs": _plain(asdict(lock.inputs)),
    }
    sources = {"schema": lock_version.SCHEMA, "source": [_source(source) for source in lock.sources]}
    pending = [{"component": item.component, "supply": item.supply} for item in lock.pending]
    payloads = {
        "schema": lock_version.SCHEMA,
        "payload": [as_row(item) for item in lock.payloads],
        "pending": pending,
    }
    return {
        f"pylock.{lock.platform}.toml": pylock.dump_pylock(lock.installed, target, tool=tool),
        f"requirements.{lock.platform}.txt": pylock.dump_requirements(lock.installed),
        f"sources.{lock.platform}.toml": tomli_w.dumps(sources, multiline_strings=False),
        f"payloads.{lock.platform}.toml": tomli_w.dumps(payloads),
    }


def digest(lock: Lock, target: Target) -> str:
    """Return the sha256 over the lock's files."""
    return digest_of(files(lock, target))


def digest_of(texts: Mapping[str, str]) -> str:
    """Return the sha256 over what `files` gave."""
    hasher = hashlib.sha256()
    for name, text in sorted(texts.items()):
        hasher.update(f"{name}\0{text}\0".encode())
    return hasher.hexdigest()


def _plain(table: dict[str, Any]) -> dict[str, Any]:
    return {key: list(value) if isinstance(value, tuple) else value for key, value in table.items() if value}


def _source(source: LockedSource) -> dict[str, Any]:
    table = _plain(as_row(source))
    table["environment"] = [_plain(as_row(file)) for file in source.environment]
    return table | ({"wheel": _plain(as_row(source.wheel))} if source.wheel else {})


def save(lock: Lock, target: Target, folder: Path) -> list[Path]:
    """Write the lock's files into `lockfiles/<stack-id>/`, all of them or none, and return them."""
    texts = {name: text.encode() for name, text in files(lock, target).items()}
    return whole_file.write_set(folder, target.machine, texts)


def load(folder: Path | Layered, cell: Cell) -> Lock | None:
    """Return the committed lock of a cell, or None when there is none; of layers the first that has one.

    Raises:
        BadLockError: A file of it cannot be read.
    """
    return load_platform(folder, cell.target.machine)


def load_platform(folder: Path | Layered, platform: str) -> Lock | None:
    """Return the lock of a folder for a platform, whatever cell it is of, or None when there is none.

    Raises:
        BadLockError: A file of it cannot be read.
    """
    for layer in Layered.of(folder).folders:
        with whole_file.reading(layer):
            if (found := load_held(layer, platform)) is not None:
                return found
    return None


def load_held(folder: Path, platform: str) -> Lock | None:
    """Return the lock of one folder as `load_platform` does, to whoever keeps writers away from it."""
    path = folder / f"pylock.{platform}.toml"
    if not path.is_file():
        return None
    _require_whole(folder, platform)
    tool = (parsed := pylock.load_pylock(path)).tool
    if fault := documents.fault(tool, lock_shape.TOOL):
        raise _bad(path, f"tool.{pylock.CREATED_BY}: {fault}")
    listed = folder / f"requirements.{platform}.txt"
    if fault := lock_requirements.fault(listed, parsed.files):
        raise _bad(listed, fault)
    sources = sources_in(folder, platform)
    awaited = _document(folder / f"payloads.{platform}.toml", lock_shape.PAYLOADS)
    locked = {one.component for one in sources}  # a wheelhouse's own lock names what was not built there
    built = {source.wheel.filename for source in sources if source.wheel}
    return Lock(
        stack=tool["stack"],
        platform=platform,
        cell=tool["cell"],
        derived=tool["derived"],
        recipes_digest=tool["recipes-digest"],
        wheels=tuple(file for file in parsed.files if file.filename not in built),
        sources=sources,
        payloads=payloads_in(folder, platform),
        pending=tuple(
            Pending(reason=UNLOCKED, component=row["component"], supply=row["supply"])
            for row in awaited.get("pending", ())
            if row["component"] not in locked
        ),
        inputs=_read_inputs(tool["inputs"]),
    )


def _require_whole(folder: Path, platform: str) -> None:
    """Refuse a lock that lacks a file of its set: what that one names would be missing without a word."""
    for path in (folder / f"{kind}.{platform}.{ending}" for kind, ending in _SET):
        if not path.is_file():
            raise _missing(path)


def sources_in(folder: Path, platform: str) -> tuple[LockedSource, ...]:
    """Return what `sources.<platform>.toml` of a folder says.

    Raises:
        BadLockError: It cannot be read.
    """
    path = folder / f"sources.{platform}.toml"
    document = _document(path, lock_shape.SOURCES)
    with _refusing(path):
        return tuple(_read_source(row) for row in document.get("source", ()))


def payloads_in(folder: Path, platform: str) -> tuple[LockedPayload, ...]:
    """Return what `payloads.<platform>.toml` of a folder says.

    Raises:
        BadLockError: It cannot be read.
    """
    path = folder / f"payloads.{platform}.toml"
    document = _document(path, lock_shape.PAYLOADS)
    with _refusing(path):
        rows = [from_row(row) for row in document.get("payload", ())]
        return tuple(LockedPayload(**_known(LockedPayload, row)) for row in rows)


def _document(path: Path, shape: object) -> dict[str, Any]:
    if not path.is_file():
        raise _missing(path)
    try:
        document = toml_text.read(path, {})
    except (OSError, ValueError) as error:
        raise _bad(path, str(error)) from error
    lock_version.require(document, path)
    if fault := documents.fault(document, shape):
        raise _bad(path, fault)
    return document


@contextmanager
def _refusing(path: Path) -> Iterator[None]:
    """Name the file in which a row is not whole."""
    try:
        yield
    except BadArtifactError as error:
        raise _bad(path, f"it names a file that cannot be: {error.what}") from error
    except documents.UnsoundError as error:
        raise _bad(path, str(error)) from error
    except KeyError as error:
        raise _bad(path, f"it lacks {error}") from error


def _bad(path: Path, fault: str) -> BadLockError:
    return BadLockError(
        f"{path.parent.name}/{path.name}: {fault.removesuffix('.')}.",
        why="It was edited by hand, or written by another version of this tool.",
        next_step="restore it from git, or make it again: `invoke lock --upgrade {cell}`",
    )


def _missing(path: Path) -> BadLockError:
    return BadLockError(
        f"{path.parent.name}/{path.name} is missing.",
        why="The four files of a platform are one set: what this one names would be left out without a word.",
        next_step="restore it from git, or make it again: `invoke lock --upgrade {cell}`",
    )


def _known(kind: type, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a dataclass has a field for: another version may have written more."""
    return {item.name: row[item.name] for item in fields(kind) if item.name in row}


def _locked_wheel(row: Mapping[str, Any]) -> LockedFile:
    file = LockedFile(**_known(LockedFile, from_row(row)))
    try:
        name, version, _, _ = parse_wheel_filename(file.filename)
        same = (name, version) == (canonicalize_name(file.name), Version(file.version))
    except ValueError as error:
        raise documents.UnsoundError(str(error)) from error
    if not same:
        raise documents.UnsoundError(f"{file.filename} is not {file.name} {file.version}")
    return file


def _read_source(table: dict[str, Any]) -> LockedSource:
    environment = tuple(map(_locked_wheel, table.get("environment", ())))
    wheel = _locked_wheel(table["wheel"]) if table.get("wheel") else None
    build = table.get("build") or _first_form(table)
    row = from_row(table, "archive") if table.get("filename") else table
    more = {"environment": environment, "wheel": wheel, "build": build}
    return LockedSource(**{**_known(LockedSource, row), **more})


def _first_form(table: Mapping[str, Any]) -> dict[str, Any]:
    """Return the build table that a lock of schema 1 leaves out where a source is an archive with nothing else."""
    return {"archive": {"filename": table["filename"], "sha256": table["sha256"]}}


def _read_inputs(table: dict[str, Any]) -> Inputs:
    typed: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in _known(Inputs, table).items()
    }
    return Inputs(**{"requirements": (), **typed})
