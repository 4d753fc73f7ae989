"""Knowing at once that there is nothing to do.

After a wheelhouse is finished, a small state file keeps what it was made from (a digest over recipes, lock,
imported files, mirrors, this tool and the installer that it puts in) and each file's size and time stamp. The next run
compares those and re-reads nothing; `--check` re-hashes everything instead. Standard library only, since every run
pays for this import.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ascend_wheelhouse import __version__
from ascend_wheelhouse.base.whole_file import write_whole
from ascend_wheelhouse.node import documents

_STATE = {"folder": documents.file_name, "lock": documents.file_name, "inputs": str, "files": {...: [int]}}
_NODE = Path(__file__).parents[1] / "node"
_INSTALLER = _NODE.parent / "folder/installer.py"


def request_key(asked: Mapping[str, object]) -> str:
    """Return the name of the state file for what a run was asked for; see `MakeOptions.asked`."""
    return hashlib.sha256(json.dumps(dict(asked), sort_keys=True).encode()).hexdigest()[:24]


def digest_files(paths: Iterable[Path], root: Path) -> str:
    """Return one digest over files (name and content), in the order of their names below `root`."""
    hasher = hashlib.sha256(__version__.encode())
    for path in sorted(paths):
        hasher.update(f"\0{path.relative_to(root)}\0".encode())
        hasher.update(path.read_bytes())
    return hasher.hexdigest()


def recipes_digest(folder: Path) -> str:
    """Return the digest of everything below `recipes/` that can change a lock or a build."""
    wanted = (path for path in folder.rglob("*") if path.suffix in {".toml", ".patch"})
    return digest_files(wanted, folder)


def inputs_digest(root: Path, store: Path, lock_folder: Path) -> str:
    """Return the digest of everything that a finished wheelhouse was made from.

    Args:
        root: The project folder, with `recipes/` and maybe `mirrors.toml`.
        store: The store's root; its `vendored/` folder holds the imported files.
        lock_folder: `lockfiles/<stack-id>/`.
    """
    hasher = hashlib.sha256(recipes_digest(root / "recipes").encode())
    hasher.update(os.environ.get("WHEELHOUSE_MIRRORS", "").encode())
    folders = (lock_folder, store / "vendored")
    singles = [path for path in (root / "mirrors.toml",) if path.is_file()]
    for folder in folders:
        files = [path for path in folder.rglob("*") if path.is_file()] if folder.is_dir() else []
        hasher.update(digest_files(files, folder).encode())
    hasher.update(digest_files(singles, root).encode())
    hasher.update(digest_files([_INSTALLER], _INSTALLER.parent).encode())
    hasher.update(digest_files(_NODE.rglob("*.py"), _NODE).encode())
    return hasher.hexdigest()


def stamps(folder: Path) -> dict[str, list[int]]:
    """Return size in bytes and modification time in ns of every file below a folder."""
    found = {}
    for base, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(base, name)  # noqa: PTH118 - the walk is the cost of every run
            status = os.stat(path)  # noqa: PTH116 - as above
            found[os.path.relpath(path, folder)] = [status.st_size, status.st_mtime_ns]
    return found


def remember(state: Path, *, folder: Path, lock_folder: Path, digest: str) -> None:
    """Keep what a finished wheelhouse was made from and what its files look like."""
    state.parent.mkdir(parents=True, exist_ok=True)
    record = {
        "folder": folder.name,
        "lock": lock_folder.name,
        "inputs": digest,
        "files": stamps(folder),
    }
    write_whole(state, json.dumps(record, sort_keys=True))


def fresh(state: Path, *, root: Path, store: Path, output: Path) -> Path | None:
    """Return the finished wheelhouse that answers a request, or None when there is something to do."""
    record = _read(state)
    if record is None:
        return None
    folder = output / str(record["folder"])
    digest = inputs_digest(root, store, root / "lockfiles" / record["lock"])
    if digest != record["inputs"] or stamps(folder) != record["files"]:
        return None
    return folder


def _read(state: Path) -> dict[str, Any] | None:
    try:
        record: dict[str, Any] = documents.read(state.read_bytes(), _STATE)
    except (OSError, documents.UnsoundError):
        return None
    return record
