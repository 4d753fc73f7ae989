"""The registry of imported files: `vendored/` in the store, one small JSON record a file.

A record says what its bytes are for: component, release, machine, chip, CANN, where they came from and what
is known of their licence. The newest file for the same component and cell takes the place of the earlier
one.
"""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Literal, get_args

from ascend_wheelhouse.base import medium, rights
from ascend_wheelhouse.base.artifact import Artifact, HasArtifact, as_row, from_row
from ascend_wheelhouse.base.errors import IntegrityError
from ascend_wheelhouse.cells.artefact_name import NameFacts
from ascend_wheelhouse.node import documents
from ascend_wheelhouse.store.store import Store

Kind = Literal["wheel", "payload", "source"]
_UNSAFE = re.compile(r"[^A-Za-z0-9._+-]")
_NO_COMPONENT = "_wheels"
_SHORTEST = 12


def kind(value: object) -> bool:
    """A kind of file that can be imported."""
    return isinstance(value, str) and value in get_args(Kind)


_SHAPE = {
    "component": str,
    "filename": documents.file_name,
    "sha256": documents.sha256,
    "size": documents.size,
    "kind": kind,
    "facts": {f"{item.name}?": str for item in fields(NameFacts)},
    "origin": str,
    "licence?": str,
}


class BadRecordError(IntegrityError):
    """A record of an imported file is not one that this tool wrote."""


@dataclass(frozen=True, kw_only=True)
class VendoredRecord(HasArtifact):
    """One imported file.

    Args:
        component: Name of its recipe; empty for a wheel of no recipe.
        artifact: The file, under its own name.
        kind: Where it goes in a wheelhouse.
        facts: Release, machine, chip, CANN, torch and Python that it is for; empty ones fit all.
        origin: The file that was imported, and the member where that was an archive.
        licence: What the recipe says about it.
    """

    component: str
    artifact: Artifact
    kind: Kind
    facts: NameFacts
    origin: str
    licence: str = ""

    def as_dict(self) -> dict[str, object]:
        """Return the record as it is stored and as `--json` prints it."""
        return as_row(self)


def put_record(store: Store, record: VendoredRecord) -> None:
    """Keep a record, in place of that of an earlier file for the same component and cell."""
    words = [*asdict(record.facts).values(), record.kind] if record.component else [record.filename]
    name = _UNSAFE.sub("_", "-".join(filter(None, words)))
    place = store.root / "vendored" / (record.component or _NO_COMPONENT) / f"{name}.json"
    with store.incoming() as path:
        path.write_text(json.dumps(record.as_dict(), indent=1, sort_keys=True), encoding="utf-8")
        medium.flush(path)
        rights.make_folder(store.root, "vendored", place.parent.name)
        rights.share(path)
        path.replace(place)
    for other in place.parent.glob("*.json"):  # 8.3.RC2 and 8.3.rc2 are one
        if other.name != place.name and other.name.lower() == place.name.lower():
            other.unlink(missing_ok=True)


def list_vendored(store: Store) -> list[VendoredRecord]:
    """Return every record, sorted by component and file name.

    Raises:
        OSError: A folder of them cannot be listed: `prune` would remove the files that they name.
    """
    top = store.root / "vendored"
    folders = [one for one in top.iterdir() if one.is_dir()] if top.is_dir() else []
    records = [_read(path) for one in folders for path in one.iterdir() if path.suffix == ".json"]
    return sorted(records, key=lambda record: (record.component, record.filename, record.sha256))


def forget(store: Store, name: str) -> list[VendoredRecord]:
    """Remove the records of imported files of a name or digest, and return them; the bytes stay until `prune`.

    Args:
        store: Where they are.
        name: A file name, or at least the first 12 digits of a sha256.
    """
    gone = []
    for path in sorted(store.root.glob("vendored/*/*.json")):
        record = _read(path)
        if record.filename == name or (len(name) >= _SHORTEST and record.sha256.startswith(name.lower())):
            path.unlink(missing_ok=True)
            gone.append(record)
    return gone


def vendored_record(store: Store, component: str, wanted: NameFacts) -> VendoredRecord | None:
    """Return the file imported for a component and cell, or None; the one told to fit most closely first.

    Sources are no such files: see `vendored_source`.

    Args:
        store: Where to look.
        component: The recipe's name.
        wanted: The cell: each fact must agree with the record's unless either is empty.
    """
    paths = sorted((store.root / "vendored" / component).glob("*.json"))
    fitting = [record for record in map(_read, paths) if _agrees(record.facts, wanted)]
    present = [record for record in fitting if record.kind != "source" and store.has(record.sha256)]
    return max(present, key=lambda record: sum(map(bool, asdict(record.facts).values())), default=None)


def preferred_to(store: Store, record: VendoredRecord) -> list[VendoredRecord]:
    """Return the files of other bytes that are taken in place of one, each in the cells that it is told to be for.

    Args:
        store: Where they are.
        record: The file, imported already.
    """
    if not record.component or record.kind == "source":
        return []
    found = []
    for path in sorted((store.root / "vendored" / record.component).glob("*.json")):
        other = _read(path)
        if other.sha256 != record.sha256 and _agrees(other.facts, record.facts):
            chosen = vendored_record(store, record.component, other.facts.over(record.facts))
            if chosen is not None and chosen.sha256 == other.sha256:
                found.append(other)
    return found


def vendored_source(store: Store, component: str, version: str) -> VendoredRecord | None:
    """Return the source imported for a release of a component: a source archive, or the bundle of a commit."""
    for path in sorted((store.root / "vendored" / component).glob("*.json")):
        record = _read(path)
        if record.kind == "source" and record.facts.version == version and store.has(record.sha256):
            return record
    return None


def find_vendored(store: Store, component: str, *, version: str, machine: str, npu: str) -> Path | None:
    """Return the path of the file imported for a component, release, machine and chip, or None."""
    record = vendored_record(store, component, NameFacts(version=version, machine=machine, npu=npu))
    return store.path(record.sha256) if record else None


def _agrees(told: NameFacts, wanted: NameFacts) -> bool:
    pairs = [(getattr(told, item.name).lower(), getattr(wanted, item.name).lower()) for item in fields(told)]
    return all(not have or not want or _same(have, want) for have, want in pairs)


def _same(have: str, want: str) -> bool:
    """A release without a local part is met by one with it, as in PEP 440."""
    return have == want or ("+" not in want and have.partition("+")[0] == want)


def _read(path: Path) -> VendoredRecord:
    try:
        row = documents.read_file(path, _SHAPE)
    except (OSError, documents.UnsoundError) as error:
        raise BadRecordError(
            f"The record of an imported file, {path}, cannot be read: {error}.",
            why="It was changed, or written by another version of this tool. The file itself stays in the store.",
            next_step=f"rm {shlex.quote(str(path))}, then import the file again: invoke vendor FILE",
        ) from error
    facts = NameFacts(**{item.name: row["facts"].get(item.name, "") for item in fields(NameFacts)})
    named = (key.removesuffix("?") for key in _SHAPE)
    known = {name: row[name] for name in named if name in row}
    return VendoredRecord(**from_row(known) | {"facts": facts})
