"""Recipes and stacks that nothing would read: the plan would go without them, and nothing else tells."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from ascend_wheelhouse.base.layered import Layered
from ascend_wheelhouse.base.toml_file import Problem

_FOLDERS = ("", "serving/", "stacks/", "toolchains/")
_END = ".toml"


def scan_unread(folder: Path | Layered) -> Iterator[Problem]:
    """Yield a problem for each file of a `recipes/` folder whose ending is `.toml`, but not in small letters."""
    for below in _FOLDERS:
        for name in Layered.of(folder).named(f"{below}*.[tT][oO][mM][lL]"):
            place = PurePosixPath(name)
            if place.suffix != _END:
                text = f"nothing reads it under this name, expected {place.stem}{_END}"
                yield Problem(file=f"recipes/{name}", key="", text=text)
