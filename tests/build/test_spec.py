from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from pydantic import ValidationError

from ascend_wheelhouse.base.toml_file import Known
from ascend_wheelhouse.cells.cell import Cell
from ascend_wheelhouse.cells.placeholders import RecipeBuildError
from ascend_wheelhouse.cells.spec import BuildSpec, BuildTable
from ascend_wheelhouse.cells.target import Machine, Npu, Target

RECIPES = Path(__file__).parents[2] / "recipes"


def cell(
    torch: str = "2.8.0", *, machine: Machine = "aarch64", npu: Npu = "a3", cann: str = "8.3.RC2"
) -> Cell:
    components = {"torch": torch, "torch-npu": f"{torch}.post2", "sglang": "0.5.6.post2"}
    return Cell(stack="test", target=Target(machine=machine, npu=npu), cann=cann, components=components)


def resolved(recipe: str, where: Cell) -> BuildSpec:
    table = tomllib.loads((RECIPES / f"{recipe}.toml").read_text())["build"]
    return BuildTable.model_validate(table).resolve(where)


@pytest.mark.parametrize("npu", ["a3", "910b"])
@pytest.mark.parametrize("machine", ["aarch64", "x86_64"])
@pytest.mark.parametrize("recipe", ["torch-npu", "sgl-kernel-npu", "deep-ep"])
def test_every_source_recipe_resolves_for_both_machines_and_chips(
    recipe: str, machine: Machine, npu: Npu
) -> None:
    spec = resolved(recipe, cell(machine=machine, npu=npu))
    assert spec.steps
    assert f"torch=={cell().torch}" in spec.requirements


@pytest.mark.parametrize(
    ("torch", "machine", "abi", "gcc"),
    [
        ("2.6.0", "x86_64", "0", ">=9.3,<10"),
        ("2.6.0", "aarch64", "1", ">=11.2,<12"),
        ("2.7.1", "x86_64", "1", ">=11.2,<12"),
        ("2.8.0", "aarch64", "1", ">=13,<15"),
        ("2.9.1", "x86_64", "1", ">=13,<15"),
    ],
)
def test_torch_npu_takes_abi_and_gcc_from_torch_and_machine(
    torch: str, machine: Machine, abi: str, gcc: str
) -> None:
    spec = resolved("torch-npu", cell(torch, machine=machine))
    assert (spec.env["_GLIBCXX_USE_CXX11_ABI"], spec.toolchain["gcc"]) == (abi, gcc)
    assert ("_ABI_VERSION" in spec.env) == (abi == "1")


def test_only_the_old_line_of_torch_npu_vendors_miniz() -> None:
    assert [item.url.rsplit("/", 1)[1] for item in resolved("torch-npu", cell("2.6.0")).downloads] == [
        "miniz.h"
    ]
    assert resolved("torch-npu", cell("2.8.0")).downloads == ()


def test_deep_ep_builds_other_operators_for_a2_and_names_the_chip_in_its_version() -> None:
    a3, a2 = resolved("deep-ep", cell(npu="a3")), resolved("deep-ep", cell(npu="910b"))
    assert a3.steps[0][3:] == ("deepep", "Ascend910_9382")
    assert a2.steps[0][3:] == ("deepep2", "Ascend910B1")
    assert a2.local_version == "{commit8}.cann8.3.rc2.910b"
    assert [repository.ref for repository in a3.repositories] == ["catlass-v1-stable"]


def test_kernels_and_deep_ep_of_ascend_950_are_builds_of_their_own() -> None:
    kernels, deep_ep = (resolved(name, cell(npu="950")) for name in ("sgl-kernel-npu", "deep-ep"))
    assert kernels.steps[0][3:] == ("kernels", "Ascend950PR_9599")
    assert kernels.env["SGL_KERNEL_NPU_BUILD_TARGET"] == "950"
    assert deep_ep.steps[0][3:] == ("deepep", "Ascend950")
    assert [repository.ref for repository in deep_ep.repositories] == ["v1.6.1"]


def test_kernels_on_x86_64_do_not_include_the_headers_of_aarch64() -> None:
    spec = resolved("sgl-kernel-npu", cell(machine="x86_64"))
    assert spec.env["ASCEND_INCLUDE_DIR"] == "{cann_home}/x86_64-linux/include"


def test_an_unknown_placeholder_is_refused_with_what_is_known() -> None:
    table = BuildTable(steps=(("make", "{nonsense}"),))
    with pytest.raises(RecipeBuildError, match=r"\{nonsense\}.*no value"):
        table.resolve(cell())


@pytest.mark.parametrize(
    "bad",
    [
        {"stepz": []},
        {"toolchain": {"gcc": "thirteen"}},
        {"toolchain": {"clang": ">=15"}},
        {"variants": [{"when": {"moon": "full"}}]},
        {"downloads": [{"url": "https://example.org/x", "sha256": "abc"}]},
    ],
)
def test_a_table_with_a_fault_is_refused(bad: dict[str, object]) -> None:
    sound, known = {"steps": [["make"]]}, Known(components=frozenset({"torch-npu"}))
    BuildTable.model_validate(sound, context=known)
    with pytest.raises(ValidationError):
        BuildTable.model_validate(sound | bad, context=known)
