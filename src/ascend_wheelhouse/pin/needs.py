"""What a component that is built from source asks for at run time in one cell, by its project file or its recipe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from ascend_wheelhouse.cells.cell import Cell
from ascend_wheelhouse.cells.project import LeftOut, runtime_requirements
from ascend_wheelhouse.cells.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Needs:
    """Requirements of a component, and what of its list the recipe leaves out here."""

    requirements: frozenset[str] = frozenset()
    left_out: tuple[LeftOut, ...] = ()


def needs_of(recipe: Recipe, cell: Cell, held: Mapping[str, bytes]) -> Needs:
    """Return what a component asks for, the extras of the cell included where it is the cell's application.

    Args:
        recipe: The component; nothing is known of one without a project file.
        cell: The cell.
        held: Bytes of each project file that its source holds; none where the source cannot be had yet.

    Raises:
        NoProjectFileError: Nothing says what the release needs.
        UnknownExtraError: The release has no such extra.
    """
    table = recipe.build.project_file if recipe.build else None
    if table is None:
        return Needs()
    extras = cell.project_extras if recipe.name == cell.application else ()
    version = cell.components[recipe.name]
    asked = runtime_requirements(table, recipe.distribution, version, held, extras=extras)
    named = {line: canonicalize_name(Requirement(line).name) for line in asked}
    absent = {canonicalize_name(one.name): one for one in table.without if cell.holds(one.when)}
    return Needs(
        requirements=frozenset(line for line, name in named.items() if name not in absent),
        left_out=tuple(one for name, one in absent.items() if name in named.values()),
    )
