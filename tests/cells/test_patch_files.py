import shutil
from pathlib import Path

import pytest

from ascend_wheelhouse.base.toml_file import InvalidFilesError
from ascend_wheelhouse.cells.stack import load_catalogue

RECIPES = Path(__file__).parents[2] / "recipes"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a copy of the project's own recipes."""
    return Path(shutil.copytree(RECIPES, tmp_path / "recipes"))


def _put(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / "patches" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("--- a/x\n+++ b/x\n")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("fix.patch", "no build reads it there, expected patches/COMPONENT/VERSIONS/NAME.patch"),
        ("torch-npu/fix.patch", "no build reads it there"),
        ("torch-npu/>=2.8/more/fix.patch", "no build reads it there"),
        ("torch_npu/>=2.8/fix.patch", "no recipe is called 'torch_npu'"),
        ("torch-npu/>=2.8/fix.diff", "no build reads it under this name"),
        ("torch-npu/2.8.0/fix.patch", "'2.8.0' is no range of versions"),
        ("triton-ascend/==3.2.0/fix.patch", "triton-ascend is not built from source"),
    ],
)
def test_a_patch_that_no_build_would_read_is_a_problem_of_the_recipes(
    folder: Path, name: str, told: str
) -> None:
    """The build went without it, and ended well."""
    _put(folder, name)
    with pytest.raises(InvalidFilesError) as caught:
        load_catalogue(folder)
    (problem,) = caught.value.problems
    assert problem.file == f"recipes/patches/{name}"
    assert problem.text.startswith(told)


def test_patches_in_their_place_and_other_files_beside_them_are_no_problem(folder: Path) -> None:
    _put(
        folder,
        "torch-npu/>=2.8,<2.9/01-fix.patch",
        "torch-npu/README.md",
        "torch-npu/==2.8.0/01-fix.patch.orig",
    )
    (folder / "patches" / "sgl-kernel-npu" / "==2026.1.21").mkdir(parents=True)
    assert load_catalogue(folder).recipes["torch-npu"].build is not None
