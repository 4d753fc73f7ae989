"""Whether the image that a recipe names for a cell has what the same recipe asks of a builder there."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from ascend_wheelhouse.cells.cell import Cell
from ascend_wheelhouse.cells.compatibility import load_compatibility
from ascend_wheelhouse.cells.derive import cell_for
from ascend_wheelhouse.cells.request import Request
from ascend_wheelhouse.cells.stack import load_catalogue
from ascend_wheelhouse.cells.target import MACHINES, Target

RECIPES = Path(__file__).parents[2] / "recipes"
CATALOGUE = load_catalogue(RECIPES)
IMAGES = tomllib.loads(Path(__file__).with_name("images.toml").read_text("utf-8"))["images"]


def _cells() -> list[Cell]:
    table = load_compatibility(RECIPES)
    return [
        cell_for(
            Request(torch=stack.components["torch"], target=Target.named(machine, npu), cann=stack.cann),
            CATALOGUE,
            table,
            lambda _name: [],
        )
        for stack in CATALOGUE.stacks
        for machine in MACHINES
        for npu in stack.npus
    ]


CELLS = _cells()
BUILT = [(name, cell) for name, recipe in CATALOGUE.recipes.items() if recipe.build for cell in CELLS]


def _image(name: str, machine: str) -> dict[str, Any] | None:
    named = [one for one in IMAGES if one["name"].format(machine=machine) == name]
    return named[0] if named else None


@pytest.mark.parametrize(("recipe", "cell"), BUILT, ids=[f"{name}-{cell.name}" for name, cell in BUILT])
def test_a_recipes_image_has_what_the_recipe_asks_for(recipe: str, cell: Cell) -> None:
    table = CATALOGUE.recipes[recipe].build
    assert table is not None
    if recipe not in cell.components:
        return
    spec = table.resolve(cell)
    if not spec.container:
        return
    image = _image(spec.container, cell.target.machine)
    assert image, f"{spec.container} is not in images.toml: look its contents up"
    assert cell.target.machine in image["machines"]
    assert "3.11" in image["python"]
    for tool, bound in spec.toolchain.items():
        found = image.get(tool, "none")
        assert SpecifierSet(bound, prereleases=True).contains(Version(found)), f"{tool} {found}, not {bound}"


def test_the_stacks_that_the_guide_names_have_an_image_for_each_build() -> None:
    """A table of empty names would satisfy the test above."""
    named = {
        (recipe, cell.torch, cell.cann, cell.target.machine)
        for recipe, cell in BUILT
        if recipe in cell.components
        and (table := CATALOGUE.recipes[recipe].build) is not None
        and table.resolve(cell).container
    }
    for machine in MACHINES:
        for torch in ("2.6.0", "2.7.1", "2.8.0", "2.9.0"):
            assert any(one[:2] == ("torch-npu", torch) and one[3] == machine for one in named), torch
        assert ("sgl-kernel-npu", "2.8.0", "8.3.RC2", machine) in named
        assert ("deep-ep", "2.8.0", "8.3.RC2", machine) in named
