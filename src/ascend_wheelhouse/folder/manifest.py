"""`manifest.json`: what a wheelhouse holds, for which cell, and what it lacks. Equal wheelhouses, equal bytes.

It lists every file of the wheelhouse but itself, `SHA256SUMS` and signatures, carries no time and no path of the
machine that made it, and is what a node compares itself with.
"""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Self

from ascend_wheelhouse import __version__
from ascend_wheelhouse.base.artifact import Artifact, HasArtifact, as_row
from ascend_wheelhouse.base.cell_words import stated_words
from ascend_wheelhouse.base.errors import UsageError, WheelhouseError
from ascend_wheelhouse.base.places import real
from ascend_wheelhouse.cells import node_needs
from ascend_wheelhouse.cells.cell import Cell
from ascend_wheelhouse.cells.package import as_manifest
from ascend_wheelhouse.cells.recipe import Recipes
from ascend_wheelhouse.locks.lock import Pending
from ascend_wheelhouse.node import documents, layout
from ascend_wheelhouse.node.reading import contents

NAME = "manifest.json"
SCHEMA = 1
_BUNDLE = re.compile(r"\.tar(\.[0-9]{3,})?$")
Kind = Literal["wheel", "payload", "source", "index", "lock", "sbom", "installer", "audit", "page"]


class NotAWheelhouseError(UsageError):
    """A folder holds no readable `manifest.json`."""


class DeltaFolderError(UsageError):
    """A delta that was unpacked was named where a whole wheelhouse is meant."""


@dataclass(frozen=True, kw_only=True)
class ManifestEntry(HasArtifact):
    """One file of a wheelhouse, in its `folder` there; the top has an empty name."""

    artifact: Artifact
    folder: str
    kind: Kind
    name: str = ""
    version: str = ""
    component: str = ""
    origin: str = ""
    note: str = ""

    @classmethod
    def written(cls, path: str, data: bytes, kind: Kind) -> Self:
        """Return the entry of a small file that is written rather than fetched."""
        folder, _, filename = path.rpartition("/")
        digest = hashlib.sha256(data).hexdigest()
        artifact = Artifact(filename=filename, size=len(data), sha256=digest)
        return cls(artifact=artifact, folder=folder, kind=kind)

    @property
    def path(self) -> str:
        """Where the file is, seen from the wheelhouse."""
        return f"{self.folder}/{self.filename}" if self.folder else self.filename

    def as_dict(self) -> dict[str, Any]:
        """Return the entry as the document has it."""
        row = as_row(self) | {"path": self.path}
        del row["filename"], row["folder"]
        return row


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a wheelhouse says of itself; the fields are those of the JSON document."""

    stack: str
    platform: str
    complete: bool
    derived: bool
    cell: Mapping[str, str]
    recipes_digest: str
    lock_digest: str
    files: Sequence[ManifestEntry]
    pending: Sequence[Pending] = ()
    notes: Sequence[str] = ()
    post_install: Sequence[Mapping[str, str]] = ()
    packages: Sequence[Mapping[str, Any]] = ()
    node: Mapping[str, Any] = field(default_factory=dict)
    serving: Mapping[str, Any] = field(default_factory=dict)
    components: Sequence[Mapping[str, Any]] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON document."""
        document = asdict(replace(self, files=()))
        document["files"] = [entry.as_dict() for entry in sorted(self.files, key=lambda entry: entry.path)]
        return {"schema": SCHEMA, "tool": f"ascend-wheelhouse {__version__}", **document}

    def dumps(self) -> str:
        """Return the document as text."""
        return json.dumps(self.as_dict(), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def post_install(cell: Cell, recipes: Recipes, present: Iterable[str]) -> list[dict[str, str]]:
    """Return the steps after installation of the components that are in the wheelhouse."""
    there = set(present)
    return [
        {"component": name, "action": step.action, "path": step.path, "target": step.target, "why": step.why}
        for name in cell.components
        if name in there
        for step in recipes[name].post_install
    ]


def packages(cell: Cell, recipes: Recipes) -> list[dict[str, Any]]:
    """Return the names of the packages that the installer may put onto a node, and how each is installed."""
    kinds = [recipes[name] for name in cell.components]
    return [as_manifest(one.name, one.names, one.install) for one in kinds if one.install is not None]


def components(cell: Cell, recipes: Recipes) -> list[dict[str, Any]]:
    """Return what the recipes say of the cell's components, whether their files are there or pending."""
    return [
        {
            "name": one.name,
            "kind": one.kind,
            "summary": one.summary,
            "licence": one.licence,
            "needs": [name for name in one.needs if name in cell.components],
            "indexed": one.indexed,
        }
        for one in (recipes[name] for name in cell.components)
    ]


def needs_of_node(cell: Cell, recipes: Recipes) -> dict[str, Any]:
    """Return what is stated of the node that the wheelhouse is for."""
    rows = [row for name in cell.components for row in recipes[name].node]
    return node_needs.as_manifest(rows, cell)


def absent(folder: Path) -> NotAWheelhouseError:
    """Return the error that what was named is no wheelhouse, for it has no manifest."""
    name = shlex.quote(str(folder))
    if folder.is_file() and _BUNDLE.search(folder.name):
        return NotAWheelhouseError(
            f"{folder} is a bundle, and the folder of a wheelhouse is wanted.",
            next_step=f"`invoke bundle --list {name}` shows what is in it, and `tar -xf` unpacks it",
        )
    what = f"it has no {NAME}" if folder.exists() else "there is no such folder"
    return NotAWheelhouseError(
        f"{folder} is not a wheelhouse: {what}.",
        next_step="name the folder of one, such as those below wheelhouse/; `invoke wheelhouse {cell}` makes one",
    )


def require_whole(folder: Path) -> None:
    """Hold a folder to be more than a delta that was unpacked: its manifest is that of the whole.

    Raises:
        DeltaFolderError: It is one.
    """
    if (folder / layout.DELTA).is_file():
        raise DeltaFolderError(
            f"{folder} is a delta, and a whole wheelhouse is wanted.",
            why="It holds what an older bundle lacks, and its manifest names the files of both.",
            next_step=f"`invoke bundle --rebuild {shlex.quote(str(folder))} --base OLD_BUNDLE --out WHOLE.tar "
            "--trusted-key KEY`, `mkdir whole && tar -xf WHOLE.tar -C whole`, then the same command with that folder",
        )


@contextmanager
def telling(folder: Path) -> Iterator[None]:
    """Have the commands that errors propose in a `with` block name the cell of a wheelhouse, as its manifest does."""
    try:
        yield
    except WheelhouseError as error:
        with suppress(OSError, documents.UnsoundError):
            cell = documents.read_file(folder / NAME, contents.SHAPE)["cell"]
            error.for_cell(stated_words(cell))
        raise


def read(folder: Path) -> dict[str, Any]:
    """Return the manifest of a wheelhouse as the JSON document.

    Raises:
        NotAWheelhouseError: There is none, or it is no JSON of a known schema.
    """
    if not (folder / NAME).exists():
        raise absent(folder)
    try:
        data = documents.bytes_of(folder / NAME)
        schema = documents.read(data, {"schema": int})["schema"]
        if schema != SCHEMA:
            raise NotAWheelhouseError(
                f"{folder.name}: {NAME} has schema {schema}, this tool reads {SCHEMA}.",
                why="It was made by another version of ascend-wheelhouse.",
                next_step="use the version of ascend-wheelhouse that made it, or make it again",
            )
        document: dict[str, Any] = documents.read(data, contents.SHAPE)
    except (OSError, documents.UnsoundError) as error:
        raise NotAWheelhouseError(
            f"{real(folder).name or folder} holds no readable {NAME}: {error}.",
            why="Its manifest was changed after it was made, or is another tool's.",
            next_step="run `invoke wheelhouse {cell}`: it puts a finished folder in its place",
        ) from error
    return document


def wheels(document: Mapping[str, Any]) -> list[str]:
    """Return the relative paths of the wheels."""
    return [entry["path"] for entry in document["files"] if entry["kind"] == "wheel"]
