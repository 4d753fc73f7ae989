"""No key of a recipe, stack or toolchain is taken that would never hold, or that nothing would read."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from recipe_mistakes import TORCH28, Mistake

from ascend_wheelhouse.base.toml_file import InvalidFilesError, Problem
from ascend_wheelhouse.cells.stack import load_catalogue

RECIPES = Path(__file__).parents[2] / "recipes"
KERNELS, SGL, GCC = "cann-kernels.toml", "sgl-kernel-npu.toml", "toolchains/gcc-13.toml"
A3, CHIP = "Atlas-A3-cann-kernels_{version}_linux-{machine}.run", 'npu = "910b"\nwhen'
ZIP = "sgl-kernel-npu_{version}_{cann_lower}_{npu}.zip"
INSTALL = '[install]\norder = 2\nflags = ["--quiet", "--install", "--force"]\n'
FIRST = "[[origins]]"
NEVER = [
    Mistake(KERNELS, "when = { cann", "when = { can", "names[1].when.can", "value", "no cell has this field"),
    Mistake(KERNELS, '"<8.5.0.dev0"', '"<8.5 0"', "names[1].when.cann", "value", "must be a version range"),
    Mistake(KERNELS, CHIP, 'npu = "910B"\nwhen', "names[2].npu", "value", "in small letters"),
    Mistake(KERNELS, 'source = "Ascend', 'source = ""\n#', "names[1].source", "value", "not empty"),
    Mistake(KERNELS, A3, "a_{version}_{version}.run", "names[1].template", "value", "must stand once"),
    Mistake(KERNELS, A3, "a/{version}.run", "names[1].template", "value", "without a folder"),
    Mistake(KERNELS, A3, "a-{chip}.run", "names[1].template", "value", 'unknown field "chip"'),
    Mistake(KERNELS, A3, "a-{version}.zip", "names[1].template", "value", "ends in .run"),
    Mistake(KERNELS, "order = 2", 'order = 2\ninto = "../x"', "install.into", "value", "below its folder"),
    Mistake(KERNELS, '"--quiet"', '""', "install.flags[1]", "value", "not empty"),
    Mistake(KERNELS, INSTALL, "", "install", "missing-key", "put onto a node"),
    Mistake(
        KERNELS, 'kind = "payload"', 'kind = "payload"\nfiles = ["*.run"]', "files", "value", "[[names]]"
    ),
    Mistake("uv.toml", FIRST, f"{INSTALL}\n{FIRST}", "install", "value", "a payload alone"),
    Mistake(
        "uv.toml",
        FIRST,
        f'{FIRST}\nkind = "url"\nurl = "https://x.example/{{filename}}"\n\n{FIRST}',
        "origins[1] (url).url",
        "value",
        "no [[names]]",
    ),
    Mistake(
        "uv.toml",
        FIRST,
        f'{FIRST}\nkind = "archive"\nmember = "*.whl"\nurl = "https://x.example/{{archive}}"\n\n{FIRST}',
        "origins[1] (archive).url",
        "value",
        "no [[archives]]",
    ),
    Mistake(SGL, "07|2026", "07 | 2026", "archives[1].tags", "value", "without spaces"),
    Mistake(SGL, ZIP, "a_{version!r}.zip", "archives[1].template", "value", "as its name alone"),
    Mistake(SGL, ZIP, "a_{version}_{npu}_{npu}.zip", "archives[1].template", "value", "must stand once"),
    Mistake("sglang.toml", '"1.0.0" }', '"one" }', "companions[1].components.mf-adapter", "value", "version"),
    Mistake(
        "cann-toolkit.toml", '"attrs"', '"attrs=={torch}"', "undeclared[1].requirement", "value", "must be"
    ),
    Mistake(TORCH28, '"setuptools<80"', '"numpy<{torch}"', "constraints[1]", "value", "a requirement"),
    Mistake(TORCH28, '"2.8.0.post2"', '"2.8.0-2"', "components.torch-npu", "value", 'written "2.8.0.post2"'),
    Mistake(TORCH28, '"0.5.6.post2"', '"v0.5.6.post2"', "components.sglang", "value", 'written "0.5.6'),
    Mistake(TORCH28, '\ntorch = "2.8.0"', '\ntorch = "2.8.0+cpu"', "components.torch", "value", "written"),
    Mistake(TORCH28, '"2026.01.21"', '"2026.01.21 "', "components.sgl-kernel-npu", "value", "without spaces"),
    Mistake(TORCH28, "torchaudio =", 'uv = "1"\ntorchaudio =', "optional.uv", "twice", "[components] too"),
    Mistake(GCC, "gcc = ", "gc = ", "gc", "unknown-key", "did you mean gcc?"),
    Mistake(GCC, '"gcc-13-{cross}"', '"gcc-13-{crss}"', "compiler.packages[1]", "value", "{cross}"),
    Mistake(GCC, 'suite = "trixie"', 'suite = ""', "compiler.suite", "value", "not empty"),
]


def problems_with(root: Path, mistake: Mistake) -> list[Problem]:
    """Return what is told of the committed recipes with one mistake put in."""
    shutil.copytree(RECIPES, root / "recipes")
    path = root / "recipes" / mistake.file
    text = path.read_text("utf-8")
    assert mistake.old in text, mistake
    path.write_text(text.replace(mistake.old, mistake.new, 1), "utf-8")
    with pytest.raises(InvalidFilesError) as told:
        load_catalogue(root / "recipes")
    return list(told.value.problems)


@pytest.mark.parametrize("mistake", NEVER, ids=lambda one: f"{one.file}-{one.key}-{one.new[:12]}")
def test_what_would_never_hold_is_told_with_its_key(tmp_path: Path, mistake: Mistake) -> None:
    (problem,) = problems_with(tmp_path, mistake)
    assert (problem.file, problem.key, problem.rule) == (f"recipes/{mistake.file}", mistake.key, mistake.rule)
    assert mistake.told in problem.text


def test_words_of_a_condition_have_no_spaces_beside_them(tmp_path: Path) -> None:
    """`2.8.0 | 2.9.0` was taken, and held for no cell."""
    old = 'when = { machine = "x86_64" }'
    new = 'when = { machine = "x86_64", torch_npu = "2.8.0 | 2.9.0" }'
    told = problems_with(tmp_path, Mistake("torch.toml", old, new, "", "", ""))
    assert {one.key for one in told} == {"origins[1] (extra-index).when.torch_npu"}
    assert 'is "2.8.0 "' in told[0].text


def test_two_stacks_of_one_cell_are_told_since_their_lock_is_one(tmp_path: Path) -> None:
    """`--stack mine` was refused for the lock of the other, with a command that made the lock of the other again."""
    shutil.copytree(RECIPES, tmp_path / "recipes")
    stacks = tmp_path / "recipes/stacks"
    text = (stacks / "torch2.8.0-cann8.5.0.toml").read_text("utf-8")
    own = text.replace('name = "torch2.8.0-cann8.5.0"', 'name = "mine"')
    (stacks / "mine.toml").write_text(own.replace('triton-ascend = "3.2.0"', 'triton-ascend = "3.2.1"'))
    with pytest.raises(InvalidFilesError) as told:
        load_catalogue(tmp_path / "recipes")
    (problem,) = told.value.problems
    assert (problem.file, problem.key) == ("recipes/stacks/torch2.8.0-cann8.5.0.toml", "name")
    assert "is a cell of mine too (sglang 0.5.6.post2, torch 2.8.0, CANN 8.5.0)" in problem.text


def test_two_stacks_may_share_their_versions_where_no_node_is_for_both(tmp_path: Path) -> None:
    shutil.copytree(RECIPES, tmp_path / "recipes")
    stacks = tmp_path / "recipes/stacks"
    text = (stacks / "torch2.8.0-cann8.5.0.toml").read_text("utf-8")
    own = text.replace('name = "torch2.8.0-cann8.5.0"', 'name = "mine"').replace('["a3", "910b"]', '["910b"]')
    (stacks / "mine.toml").write_text(own, "utf-8")
    (stacks / "torch2.8.0-cann8.5.0.toml").write_text(text.replace('["a3", "910b"]', '["a3"]'), "utf-8")
    assert "mine" in [one.name for one in load_catalogue(tmp_path / "recipes").stacks]
