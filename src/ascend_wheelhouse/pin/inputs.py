"""From a cell and its located components to the question that the resolver answers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from pathlib import Path

from packaging.utils import canonicalize_name

from ascend_wheelhouse.cells.cell import Cell
from ascend_wheelhouse.cells.cutoff import cutoff
from ascend_wheelhouse.cells.recipe import Recipes, closed_names
from ascend_wheelhouse.pin.locate import Answer, Located
from ascend_wheelhouse.resolve.request import ExtraIndex, ResolveRequest

_OPEN = {"index", "find-links", "extra-index"}


def request_for(
    cell: Cell,
    recipes: Recipes,
    answers: Sequence[Answer],
    *,
    needs: Collection[str] = (),
    imported: Sequence[Path] = (),
) -> ResolveRequest:
    """Return what the resolver is asked for a cell.

    Args:
        cell: The cell.
        recipes: Every recipe.
        answers: Where each component comes from.
        needs: What the components that are built from source ask for at run time.
        imported: Folders with wheels that no index has.

    Raises:
        BadDateError: The cell's `exclude_newer` is no RFC 3339 time.
    """
    located = [answer for answer in answers if isinstance(answer, Located) and answer.recipe.kind == "wheel"]
    wanted = {f"{one.file.name}=={one.file.version}" for one in located}
    wanted |= {*needs, *undeclared(cell, recipes)}
    return ResolveRequest(
        requirements=tuple(sorted(wanted, key=str.lower)),
        target=cell.target,
        constraints=cell.constraints,
        excludes=tuple(sorted({name for part in cell.components for name in recipes[part].excludes})),
        exclude_newer=cutoff(cell.exclude_newer),
        closed=_closed(recipes, located),
        extra_indexes=_extra_indexes(located),
        find_links=tuple(imported),
    )


def undeclared(cell: Cell, recipes: Recipes) -> set[str]:
    """Return what the cell's components need and do not declare."""
    return {
        need.requirement
        for component in cell.components
        for need in recipes[component].undeclared
        if cell.holds(need.when)
    }


def _closed(recipes: Recipes, located: Sequence[Located]) -> tuple[str, ...]:
    """Names that no index may supply here: owned by a recipe, and not located on one."""
    supplied = {canonicalize_name(one.file.name) for one in located if one.file.origin in _OPEN}
    return tuple(sorted(set(closed_names(recipes)) - supplied))


def _extra_indexes(located: Sequence[Located]) -> tuple[ExtraIndex, ...]:
    names: defaultdict[str, list[str]] = defaultdict(list)
    for one in located:
        if one.index:
            names[one.index].append(one.file.name)
    return tuple(ExtraIndex(url=url, names=tuple(sorted(owned))) for url, owned in sorted(names.items()))
