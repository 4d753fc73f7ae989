"""The wheels kept on the node as the one index of the environment, for `pip install` after the install.

They stand below the prefix once for each wheelhouse, as hard links where the file system allows it; the
environment's own `pip.conf` names them and no other index.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from ..errors import IntegrityError
from ..reading.contents import Entry


class KeptFileError(IntegrityError):
    """A file of the wheelhouse was changed while it was installed."""


def keep(folder: Path, env: Path, kept: Path, files: Iterable[Entry]) -> None:
    """Keep `wheels/` and `simple/` of a wheelhouse in `kept` and point an environment at them.

    Raises:
        KeptFileError: A file is not the one that the manifest names.
    """
    if not kept.is_dir():
        fresh = kept.with_suffix(".new")
        shutil.rmtree(fresh, ignore_errors=True)
        for entry in files:
            if entry.path.partition("/")[0] in ("wheels", "simple"):
                _keep_file(folder / entry.path, fresh / entry.path, entry)
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
    with target.open("rb") as stream:
        if hashlib.file_digest(stream, "sha256").hexdigest() != entry.sha256:
            raise KeptFileError(
                f"{entry.path} is not the one that the manifest names.",
                why="It was changed while it was installed, or is damaged.",
                next_step="copy the wheelhouse again; if that does not help, do not use it",
            )


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
