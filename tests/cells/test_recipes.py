import json
from pathlib import Path

import pytest

from ascend_wheelhouse.base.toml_file import InvalidFilesError
from ascend_wheelhouse.cells.recipe import closed_names
from ascend_wheelhouse.cells.recipe_files import load_recipes
from ascend_wheelhouse.cells.stack import load_catalogue
from ascend_wheelhouse.commands.recipes import SCHEMAS, schema_text

RECIPES = Path(__file__).parents[2] / "recipes"
SMALL = 'name = "{name}"\nsummary = "x"\nkind = "payload"\nlicence = "MIT"\n[[origins]]\nkind = "index"\n'


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.toml").write_text(text)
    return folder


def problems(folder: Path) -> list[str]:
    with pytest.raises(InvalidFilesError) as caught:
        load_recipes(folder)
    assert caught.value.exit_code == 2
    return [str(problem) for problem in caught.value.problems]


def test_every_component_of_the_guide_has_a_recipe() -> None:
    """Upstream's installation guide names these; a wheelhouse knows all of them."""
    guide = {
        *(
            "torch",
            "torchvision",
            "torch-npu",
            "triton-ascend",
            "bisheng",
            "sgl-kernel-npu",
            "deep-ep",
            "custom-ops",
        ),
        *(
            "custom-ops-run",
            "mf-adapter",
            "memfabric-hybrid",
            "sglang",
            "cann-toolkit",
            "cann-kernels",
            "nnal",
        ),
    }
    assert guide <= load_recipes(RECIPES).keys()


def test_names_that_other_projects_use_on_the_public_index_are_closed() -> None:
    assert {
        "deep-ep",
        "sglang",
        "torch-memory-saver",
        "custom-ops",
        "torch",
        "triton-ascend",
    } <= closed_names(load_recipes(RECIPES)).keys()


def test_the_needs_that_upstream_leaves_undeclared_are_stated() -> None:
    recipes = load_recipes(RECIPES)
    stated = {name: {one.requirement for one in recipe.undeclared} for name, recipe in recipes.items()}
    newer = {"numpy==1.26.4", "scipy==1.13.1", "pytest==8.3.2", "pyarrow<26"}
    assert {"pybind11"} | newer <= stated["triton-ascend"]
    rows = {one.requirement: one.when for one in recipes["triton-ascend"].undeclared}
    assert not rows["pybind11"]
    assert {str(rows[name]["triton_ascend"]) for name in newer} == {">3.2.0,<3.5"}
    assert stated["torch-npu"] == {"numpy", "pyyaml"}
    assert {"decorator", "attrs", "psutil", "scipy"} <= stated["cann-toolkit"]


def test_upstream_triton_is_kept_out_wherever_triton_ascend_is() -> None:
    assert "triton" in load_recipes(RECIPES)["triton-ascend"].excludes


def test_the_committed_schemas_are_those_of_the_models() -> None:
    """`invoke recipes --schema` writes them; editors complete keys from them."""
    for name, model in SCHEMAS.items():
        assert (RECIPES / name).read_text("utf-8") == schema_text(model)
        assert json.loads((RECIPES / name).read_text("utf-8"))["additionalProperties"] is False


def test_one_report_lists_the_problems_of_every_file(tmp_path: Path) -> None:
    write(
        tmp_path,
        a='name = "a"\nsumary = "x"\norigins = []\n',
        b='name = "b"\nsummary = 1\n[[origins]]\nkind = "url"\nurl = "https://example.org/{wheel}"\n',
        c="name = [",
    )
    found = problems(tmp_path)
    assert any(
        text.startswith("recipes/a.toml: sumary: unknown key, did you mean summary? allowed are archives, ")
        for text in found
    )
    assert not any(text.startswith("recipes/a.toml: summary: ") for text in found)
    assert any(text.startswith("recipes/a.toml: origins: ") for text in found)
    assert any(text.startswith("recipes/b.toml: summary: ") for text in found)
    assert any(
        text.startswith(
            'recipes/b.toml: origins[1] (url).url: unknown field "wheel", allowed are a, archive, ascend, b, '
        )
        for text in found
    )
    assert any(text.startswith("recipes/c.toml: not TOML: ") for text in found)


def test_a_cycle_of_needs_is_named_in_its_order(tmp_path: Path) -> None:
    write(
        tmp_path,
        a=SMALL.format(name="a").replace("summary", 'needs = ["b"]\nsummary'),
        b=SMALL.format(name="b").replace("summary", 'needs = ["a"]\nsummary'),
    )
    (found,) = problems(tmp_path)
    assert "needs: a cycle: " in found
    assert "a -> b" in found


def test_one_recipe_alone_may_own_a_name(tmp_path: Path) -> None:
    """`Deep_EP` and `deep-ep` are the same name to an index."""
    write(
        tmp_path,
        a=SMALL.format(name="a").replace("summary", 'owns = ["deep-ep"]\nsummary'),
        b=SMALL.format(name="b").replace("summary", 'owns = ["Deep_EP"]\nsummary'),
    )
    assert problems(tmp_path) == [
        "recipes/b.toml: owns[1]: 'deep-ep' is owned by a already, one recipe alone may own a name"
    ]


def test_a_need_that_is_no_recipe_is_refused(tmp_path: Path) -> None:
    write(tmp_path, a=SMALL.format(name="a").replace("summary", 'needs = ["z"]\nsummary'))
    assert problems(tmp_path) == ['recipes/a.toml: needs[1]: no recipe is called "z", allowed are a']


def test_a_recipe_is_called_as_its_file(tmp_path: Path) -> None:
    write(tmp_path, a=SMALL.format(name="b"))
    assert problems(tmp_path) == ['recipes/a.toml: name: is "b", must be the file\'s name "a"']


def test_a_bad_stack_is_reported_beside_a_bad_recipe(tmp_path: Path) -> None:
    write(tmp_path, a=SMALL.format(name="a").replace("summary", "sumary"))
    (tmp_path / "stacks").mkdir()
    (tmp_path / "serving").mkdir()
    write(
        tmp_path / "stacks",
        s='name = "s"\nsummary = "x"\ncann = "8.5.0"\nplatforms = ["riscv64"]\nnpus = ["a9"]\n',
    )
    with pytest.raises(InvalidFilesError) as caught:
        load_catalogue(tmp_path)
    text = str(caught.value)
    assert "recipes/a.toml: sumary: unknown key" in text
    assert "recipes/stacks/s.toml: platforms[1]: is \"riscv64\", allowed are 'aarch64' or 'x86_64'" in text
    assert "recipes/stacks/s.toml: npus[1]: is \"a9\", allowed are 'a3', '910b' or '950'" in text
    assert caught.value.as_dict()["problems"]
