"""Recipes and lock files that come with the program, and where a project's own are laid over them.

In an installed wheel they are data of the package; in a clone the package is imported from `src/`, and they are the
clone's own folders. What a clone's `tasks.py` starts reads the clone alone; what the installed program starts reads the
project's files over the packaged ones.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from ascend_wheelhouse.base import whole_file
from ascend_wheelhouse.base.errors import HostUnfitError
from ascend_wheelhouse.base.layered import Layered

_PACKAGE = Path(__file__).parents[1]
_laid_over: set[Path] = set()


class NoPackagedFilesError(HostUnfitError):
    """The installed program lacks the recipes that belong to it."""


def packaged() -> Path:
    """Return the folder with the `recipes/` and `lockfiles/` that belong to this program.

    Raises:
        NoPackagedFilesError: There is none.
    """
    for place in (_PACKAGE / "data", _PACKAGE.parents[1]):
        if (place / "recipes/compatibility.toml").is_file():
            return place
    raise NoPackagedFilesError(
        f"{_PACKAGE} lacks its recipes.",
        why="The program was not installed from its wheel, or files of it were removed.",
        next_step="pip install --force-reinstall ascend-wheelhouse",
    )


def is_clone(root: Path) -> bool:
    """Tell whether a folder is a clone of this program, whose recipes stand by themselves."""
    return (root / "src/ascend_wheelhouse").is_dir() and (root / "recipes/compatibility.toml").is_file()


def lay_over(root: Path) -> None:
    """Have the recipes and lock files of a project folder lie over the packaged ones from now on.

    Raises:
        NoPackagedFilesError: There are none.
    """
    if packaged().resolve() != root.resolve():
        _laid_over.add(root)


def recipes_of(root: Path) -> Layered:
    """Return the recipes that count in a project folder."""
    return _layers(root, "recipes")


def lockfiles_of(root: Path) -> Layered:
    """Return the lock files that count in a project folder."""
    return _layers(root, "lockfiles")


def _layers(root: Path, name: str) -> Layered:
    """Return a project's own folder, over the packaged one; what a killed run left beside both is finished first."""
    own = root / name
    with suppress(PermissionError), whole_file.reading(root, whole_file.inside(root)):
        pass
    if root not in _laid_over:
        return Layered((own,))
    _require_listed(own)
    return Layered((own, packaged() / name))


def _require_listed(folder: Path) -> None:
    """Hold a project's folder to one that can be listed, where there is one: its files would be passed over.

    Raises:
        OSError: It cannot be listed, or is a link to what is not there.
    """
    if os.path.lexists(folder):
        with suppress(NotADirectoryError), os.scandir(folder):
            pass
