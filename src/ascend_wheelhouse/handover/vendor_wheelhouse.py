"""Taking in a whole wheelhouse that was carried here: a store with nothing in it can then make it again offline.

Wheels, payloads and sources go into the store by the digests of the manifest, git bundles under the commits that
they hold, and the lock into `lockfiles/` where the project has none for that cell.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from ascend_wheelhouse.base import whole_file
from ascend_wheelhouse.base.cell_words import stated_words
from ascend_wheelhouse.base.errors import IntegrityError
from ascend_wheelhouse.base.events import Emit, JobFinished, JobStarted, Note, Stage, silent
from ascend_wheelhouse.base.layered import Layered
from ascend_wheelhouse.base.packaged import lockfiles_of
from ascend_wheelhouse.base.places import real
from ascend_wheelhouse.folder import manifest
from ascend_wheelhouse.node import documents
from ascend_wheelhouse.store.git_source import keep_carried
from ascend_wheelhouse.store.store import Store

_KINDS = {"wheel", "payload", "source"}
_LOCKS = ("pylock.{}.toml", "requirements.{}.txt", "sources.{}.toml", "payloads.{}.toml")
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")


class CarriedFileError(IntegrityError):
    """A file of the wheelhouse is missing, or is not what its manifest says."""


@dataclass(frozen=True, kw_only=True)
class TakenIn:
    """What came of a wheelhouse.

    Args:
        wheelhouse: Its name.
        files: How many files of it the store holds now.
        new: How many of them it did not hold before.
        commits: The commits whose bundles are among them.
        lock: Where its lock stands in the project: a folder below the root, and whether it was put there.
        lock_put: Whether the lock was put there now.
        words: The options that name its cell on the command line.
    """

    wheelhouse: str
    files: int
    new: int
    commits: tuple[str, ...]
    lock: str
    lock_put: bool
    words: str

    def as_dict(self) -> dict[str, Any]:
        """Return what `--json` prints."""
        return asdict(self)


def vendor_wheelhouse(folder: Path, *, root: Path, store: Store, emit: Emit = silent) -> TakenIn:
    """Keep what a wheelhouse holds, so that it can be built here without any server.

    Args:
        folder: The wheelhouse.
        root: The project folder, whose `lockfiles/` gets the lock.
        store: Where the files go.
        emit: Told of each file.

    Raises:
        NotAWheelhouseError: The folder holds no readable manifest.
        DeltaFolderError: It is a delta.
        CarriedFileError: A file is missing or has other bytes than the manifest says.
    """
    document = manifest.read(folder)
    manifest.require_whole(folder)
    rows = [row for row in document["files"] if row["kind"] in _KINDS]
    lock = _carried_lock(folder, document)
    emit(Stage(name="take in", jobs=len(rows)))
    new = sum(_take(folder, row, store, emit) for row in rows)
    bundles = [row["sha256"] for row in rows if PurePosixPath(row["path"]).suffix == ".bundle"]
    place, put = _put_lock(lock, folder, document, lockfiles_of(root), emit)
    return TakenIn(
        wheelhouse=real(folder).name,
        files=len(rows),
        new=new,
        commits=tuple(keep_carried(store, digest) for digest in bundles),
        lock=place,
        lock_put=put,
        words=stated_words(document["cell"]),
    )


def _take(folder: Path, row: Mapping[str, Any], store: Store, emit: Emit) -> bool:
    """Have one file in the store; return whether it is new there."""
    path, digest = folder / row["path"], str(row["sha256"])
    emit(JobStarted(job=path.name, action="take in", total=row["size"]))
    _require_there(folder, row["path"])
    if store.has(digest, row["size"]):
        _require(row, digest, store.proven.digest(path))
        emit(JobFinished(job=path.name, outcome="cached"))
        return False
    with store.incoming() as part:
        _require(row, digest, store.copy_in(path, part))
        store.adopt(part, digest)
    emit(JobFinished(job=path.name, outcome="done"))
    return True


def _require_there(folder: Path, path: str) -> None:
    if not (folder / path).is_file():
        raise CarriedFileError(
            f"{path} is not in {folder.name}.", next_step="copy the whole wheelhouse again"
        )


def _require(row: Mapping[str, Any], digest: str, found: str) -> None:
    if found != digest:
        raise CarriedFileError(
            f"{row['path']} has sha256 {found}, the manifest says {digest}.",
            why="It was damaged or changed on the way.",
            next_step="copy the wheelhouse again, and prove its bundle: `invoke bundle --verify BUNDLE`",
        )


def _carried_lock(folder: Path, document: Mapping[str, Any]) -> dict[str, bytes]:
    """Return the files of the wheelhouse's lock, as its manifest names them."""
    names = [pattern.format(document["platform"]) for pattern in _LOCKS]
    found = {}
    for row in document["files"]:
        if (path := row["path"]) in names:
            _require_there(folder, path)
            found[path] = documents.bytes_of(folder / path)
            _require(row, row["sha256"], hashlib.sha256(found[path]).hexdigest())
    return found


def _put_lock(
    lock: Mapping[str, bytes], folder: Path, document: Mapping[str, Any], lockfiles: Layered, emit: Emit
) -> tuple[str, bool]:
    """Copy the wheelhouse's lock into the project, which keeps its own where it has one for the cell."""
    stack, platform = str(document["stack"]), str(document["platform"])
    if not _PLAIN.fullmatch(stack) or not _PLAIN.fullmatch(platform):
        raise manifest.NotAWheelhouseError(
            f"{folder.name}: its manifest names no stack and platform.",
            why="It was changed after the wheelhouse was made.",
            next_step="copy the wheelhouse again, and prove its bundle: `invoke bundle --verify BUNDLE`",
        )
    place = f"lockfiles/{stack}"
    names = [pattern.format(platform) for pattern in _LOCKS]
    carried = {name: lock.get(name, b"") for name in names}
    own, *packaged = (_standing(layer, names) for layer in lockfiles.below(stack).folders)
    if own and own != carried:
        emit(Note(text=f"{place} has a lock for {platform} already, and it stays", level="warning"))
    if own or carried in packaged:
        return place, False
    whole_file.write_set(lockfiles.own / stack, platform, lock)
    return place, True


def _standing(place: Path, names: Sequence[str]) -> dict[str, bytes]:
    """Return the texts of the lock that stands in a folder; nothing where none does."""
    with whole_file.reading(place):
        stands = (place / names[0]).is_file()
        return {name: _text(place / name) for name in names} if stands else {}


def _text(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else b""
