import shutil
from pathlib import Path

import pytest

from ascend_wheelhouse.base.toml_file import InvalidFilesError
from ascend_wheelhouse.cells.stack import load_catalogue

RECIPES = Path(__file__).parents[2] / "recipes"
STACK = "stacks/torch2.9.0-cann8.5.0.toml"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a copy of the project's own recipes."""
    return Path(shutil.copytree(RECIPES, tmp_path / "recipes"))


@pytest.mark.parametrize(
    "name", ["mine.TOML", "stacks/mine.Toml", "serving/mine.TOML", "toolchains/gcc-12.TOML"]
)
def test_a_recipe_whose_ending_is_in_capitals_is_a_problem_of_the_recipes(folder: Path, name: str) -> None:
    """It was passed over: the plan said that there is no such stack."""
    shutil.copy(folder / STACK, folder / name)
    with pytest.raises(InvalidFilesError) as caught:
        load_catalogue(folder)
    (problem,) = caught.value.problems
    assert problem.file == f"recipes/{name}"
    assert problem.text == f"nothing reads it under this name, expected {Path(name).stem}.toml"


def test_a_patch_whose_ending_is_in_capitals_is_a_problem_too(folder: Path) -> None:
    path = folder / "patches" / "torch-npu" / ">=2.8" / "fix.PATCH"
    path.parent.mkdir(parents=True)
    path.write_text("--- a/x\n+++ b/x\n")
    with pytest.raises(InvalidFilesError, match="no build reads it under this name"):
        load_catalogue(folder)


def test_other_files_beside_recipes_are_no_problem(folder: Path) -> None:
    for name in ("stacks/mine.toml.orig", "stacks/README.md", "old.toml~"):
        (folder / name).write_text("x")
    assert load_catalogue(folder).stacks
