"""The wheels kept on the node as the one index of the environment, for `pip install` after the install.

They stand below the prefix once for each wheelhouse, as hard links where the file system allows it; the
environment's own `pip.conf` names them and no other index.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path


def keep(folder: Path, env: Path, kept: Path) -> None:
    """Keep `wheels/` and `simple/` of a wheelhouse in `kept` and point an environment at them."""
    if not kept.is_dir():
        fresh = kept.with_suffix(".new")
        shutil.rmtree(fresh, ignore_errors=True)
        for name in ("wheels", "simple"):
            if (folder / name).is_dir():
                shutil.copytree(folder / name, fresh / name, copy_function=_link_or_copy)
        fresh.rename(kept)
    pages = kept / "simple"
    uri = f"index-url = {pages.as_uri()}/" if pages.is_dir() else "no-index = true"
    (env / "pip.conf").write_text(f"[global]\n{uri}\nfind-links = {(kept / 'wheels').as_uri()}\n")


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
