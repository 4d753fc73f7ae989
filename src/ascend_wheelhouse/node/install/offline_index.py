"""The wheels kept on the node as the one index of the environment, for `pip install` after the install.

They stand below the prefix once for each wheelhouse, as hard links where the file system allows it; the
environment's own `pip.conf` names them and no other index.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

from .. import durable
from ..errors import IntegrityError
from ..reading.contents import Contents, Entry
from . import trash


class KeptFileError(IntegrityError):
    """A file of the wheelhouse was changed while it was installed."""


def place(root: Path, contents: Contents) -> Path:
    """Return the folder below a prefix in which the wheels of a wheelhouse are kept."""
    return root / "index" / contents.digest[:16]


def _is_whole(kept: Path, contents: Contents) -> bool:
    """Whether all files of an index are as the manifest says, and no other is there that pip could take."""
    wanted = {kept / entry.path: entry.sha256 for entry in entries(contents)}
    try:
        there = {path for path in kept.rglob("*") if not path.is_dir()}
        return there == wanted.keys() and all(_digest(path) == sha256 for path, sha256 in wanted.items())
    except OSError:
        return False


def entries(contents: Contents) -> list[Entry]:
    """Return the files of a wheelhouse that its index is made of."""
    return [entry for entry in contents.files if entry.path.partition("/")[0] in ("wheels", "simple")]


def keep(folder: Path, env: Path, root: Path, contents: Contents) -> None:
    """Keep `wheels/` and `simple/` of a wheelhouse below the prefix `root` and point an environment at them.

    Raises:
        KeptFileError: A file is not the one that the manifest names.
    """
    kept = place(root, contents)
    if not _is_whole(kept, contents):
        fresh = kept.with_suffix(".new")
        shutil.rmtree(fresh, ignore_errors=True)
        for entry in entries(contents):
            _keep_file(folder / entry.path, fresh / entry.path, entry)
        durable.flush(fresh)  # an environment in use may name this folder already
        trash.throw_away(kept, root)
        fresh.rename(kept)
    pages = kept / "simple"
    uri = f"index-url = {pages.as_uri()}/" if pages.is_dir() else "no-index = true"
    (env / "pip.conf").write_text(f"[global]\n{uri}\nfind-links = {(kept / 'wheels').as_uri()}\n")


def _keep_file(source: Path, target: Path, entry: Entry) -> None:
    """Link what was unpacked for this install; copy what lies in a folder, which others may write to."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.parent.is_symlink():
        shutil.copyfile(source, target)
    else:
        _link_or_copy(source, target)
    if _digest(target) != entry.sha256:
        raise KeptFileError(
            f"{entry.path} is not the one that the manifest names.",
            why="It was changed while it was installed, or is damaged.",
            next_step="copy the wheelhouse again; if that does not help, do not use it",
        )


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
