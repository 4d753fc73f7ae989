"""What is to be told of a locked wheel that its recipe would rather have from another index: what it costs, and how.

An origin with a `note` below an index of the recipe's own is a way out where that index does not answer: PyTorch's CUDA
build of the package index in place of the `+cpu` build. The lock is sound, and several times as large.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ascend_wheelhouse.cells.cell import Cell
from ascend_wheelhouse.cells.recipe import ExtraIndexOrigin, Recipe, Recipes
from ascend_wheelhouse.console import words
from ascend_wheelhouse.locks.lock import Lock
from ascend_wheelhouse.locks.pylock import LockedFile

_CUDA = ("nvidia-", "cuda-")
"""How NVIDIA names its projects, those without CUDA in their name (nvidia-nvtx) among them."""


def lesser_builds(cell: Cell, recipes: Recipes, lock: Lock | None) -> list[str]:
    """Return one text for each wheel of a lock that is a way out: its name, its bytes, and what to do.

    Args:
        cell: The cell.
        recipes: Every recipe.
        lock: Its lock; None tells which components could become such.
    """
    if lock is None:
        found = (_possible(recipes[name], cell) for name in cell.components)
    else:
        found = (_told(wheel, lock.wheels, recipes, cell) for wheel in lock.wheels)
    return [text for text in found if text]


def is_lesser(wheel: LockedFile, recipes: Recipes, cell: Cell) -> bool:
    """Tell whether a locked wheel is the way out of its recipe."""
    recipe = recipes.get(wheel.component or "")
    return recipe is not None and any(note == wheel.note for _, note in _ways_out(recipe, cell))


def _ways_out(recipe: Recipe, cell: Cell) -> Iterator[tuple[ExtraIndexOrigin, str]]:
    """Yield each origin's note with the index that it stands in for, which comes before it in the recipe."""
    better: ExtraIndexOrigin | None = None
    for origin in recipe.origins:
        if cell.holds(origin.when):
            if better is not None and origin.note:
                yield better, origin.note
            if isinstance(origin, ExtraIndexOrigin) and not origin.note:
                better = better or origin


def _possible(recipe: Recipe, cell: Cell) -> str:
    for better, note in _ways_out(recipe, cell):
        return f"{recipe.name}: where {better.url} does not answer, the lock takes another file: {note}."
    return ""


def _told(wheel: LockedFile, wheels: Sequence[LockedFile], recipes: Recipes, cell: Cell) -> str:
    recipe = recipes.get(wheel.component or "")
    if recipe is None:
        return ""
    for better, note in _ways_out(recipe, cell):
        if note == wheel.note:
            file = f"{wheel.filename} ({words.size(wheel.size)}) is locked: {note}."
            return f"{file}{_brought(wheel, wheels)} {_instead(wheel, better, cell)}"
    return ""


def _brought(wheel: LockedFile, wheels: Sequence[LockedFile]) -> str:
    """Return the CUDA libraries that nothing else asks for, with their bytes; empty where there are none."""
    found = [one for one in _only_for(wheel, wheels) if one.name.startswith(_CUDA)]
    if not found:
        return ""
    names = ", ".join(one.name for one in found)
    size = words.size(sum(one.size or 0 for one in found))
    return f" It alone asks for {words.counted(len(found), 'wheel')} of {size} that no NPU uses: {names}."


def _only_for(wheel: LockedFile, wheels: Sequence[LockedFile]) -> list[LockedFile]:
    """Return the wheels, no component's, that would not be in the lock without one wheel."""
    kept = {one.name for one in wheels if one.name != wheel.name and (one.component or not one.via)}
    while more := {one.name for one in wheels if one.name not in {*kept, wheel.name} and kept & {*one.via}}:
        kept |= more
    return [one for one in wheels if one.name not in {*kept, wheel.name}]


def _instead(wheel: LockedFile, better: ExtraIndexOrigin, cell: Cell) -> str:
    release = f"{wheel.version.partition('+')[0]}{better.local and f'+{better.local}'}"
    return (
        f"To have {wheel.name} {release} in its place, reach {better.url}, name a mirror of it in mirrors.toml, or "
        f"import its wheel (`invoke vendor FILE`); then `invoke lock --upgrade {cell.words}`."
    )
