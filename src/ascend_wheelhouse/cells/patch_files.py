"""Patches beside the recipes that no build would read: a source is then built without them, and nothing else tells."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from packaging.specifiers import SpecifierSet

from ascend_wheelhouse.base.layered import Layered
from ascend_wheelhouse.base.toml_file import Known, Problem
from ascend_wheelhouse.cells.recipe import Recipes

FOLDER = "patches"
_ENDS = {".patch", ".diff"}
_DEPTH = 3
_PLACE = f"expected {FOLDER}/COMPONENT/VERSIONS/NAME.patch"


def scan_patches(folder: Path | Layered, recipes: Recipes, known: Known) -> Iterator[Problem]:
    """Yield a problem for each patch of a `recipes/` folder that lies where no build looks.

    Args:
        folder: `recipes/`.
        recipes: Those that could be read.
        known: All of them.
    """
    for name, path in Layered.of(folder).below(FOLDER).named("**/*").items():
        place = PurePosixPath(name)
        if place.suffix.lower() in _ENDS and not path.is_dir() and (text := _fault(place, recipes, known)):
            yield Problem(file=f"recipes/{FOLDER}/{name}", key="", text=text)


def _fault(place: PurePosixPath, recipes: Recipes, known: Known) -> str:
    component, *rest = place.parts
    if len(rest) + 1 != _DEPTH:
        return f"no build reads it there, {_PLACE}, such as {FOLDER}/torch-npu/>=2.8,<2.9/{place.name}"
    if component not in known.components:
        return f"no recipe is called {component!r}, {_PLACE}"
    if component in recipes and recipes[component].build is None:
        return f"{component} is not built from source: its recipe has no [build] table"
    try:
        SpecifierSet(rest[0])
    except ValueError:
        return f'{rest[0]!r} is no range of versions, expected one such as ">=2.8,<2.9" or "==2.8.0"'
    return "" if place.suffix == ".patch" else f"no build reads it under this name, {_PLACE}"
