"""What upstream's newest release lines say: torch_npu 26.2.0 and CANN 9.2, and patches of a line."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ascend_wheelhouse.base.toml_file import InvalidFilesError
from ascend_wheelhouse.cells.cell import Cell
from ascend_wheelhouse.cells.compatibility import load_compatibility
from ascend_wheelhouse.cells.derive import BadVersionError, cell_for
from ascend_wheelhouse.cells.request import Request
from ascend_wheelhouse.cells.stack import load_catalogue
from ascend_wheelhouse.cells.target import Target

RECIPES = Path(__file__).parents[2] / "recipes"
PUBLISHED = {
    "torch": ["2.7.1", "2.8.0", "2.10.0", "2.12.0", "2.13.0", "2.14.0"],
    "torch-npu": [row.version for row in load_compatibility(RECIPES).torch_npu],
}


def derive(torch: str, cann: str = "") -> Cell:
    request = Request(torch=torch, target=Target.named("aarch64"), cann=cann)
    return cell_for(request, load_catalogue(RECIPES), load_compatibility(RECIPES), PUBLISHED.__getitem__)


def test_a_torch_whose_releases_are_of_one_cann_takes_that_though_no_stack_has_it() -> None:
    cell = derive("2.14.0")
    assert (cell.components["torch-npu"], cell.cann) == ("2.14.0", "9.2.0")
    assert cell.components["cann-toolkit"] == "9.2.0"


def test_of_several_canns_the_newest_that_a_stack_has_is_taken_and_another_when_named() -> None:
    cell = derive("2.12.0")
    assert (cell.components["torch-npu"], cell.cann) == ("2.12.0.post2", "9.1.0")
    named = derive("2.12.0", "9.2.0")
    assert (named.components["torch-npu"], named.cann) == ("2.12.0.post3", "9.2.0")


def test_a_torch_npu_that_is_built_from_source_takes_the_cann_of_a_stack_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(PUBLISHED, "torch-npu", ["2.13.0"])
    cell = derive("2.12.0")
    assert (cell.components["torch-npu"], cell.cann) == ("2.12.0.post2", "9.1.0")
    assert any("built from source" in note for note in cell.notes)


@pytest.mark.parametrize(("torch", "triton"), [("2.7.1", "3.2.2"), ("2.10.0", "3.6.0"), ("2.13.0", "3.6.0")])
def test_triton_ascend_for_cann_9_2_goes_by_torch(torch: str, triton: str) -> None:
    cell = derive(torch, "9.2.0")
    assert cell.components["triton-ascend"] == triton
    assert not any("triton-ascend" in note for note in cell.notes)


def test_where_none_is_stated_for_the_torch_the_cell_says_what_was_taken() -> None:
    cell = derive("2.14.0")
    assert "no triton-ascend is stated for torch 2.14.0 with CANN 9.2.0: 3.6.0 is taken" in cell.notes
    table = load_compatibility(RECIPES)
    fits = [
        table.triton_fits("3.6.0", cann, torch) for cann, torch in (("9.2.0", "2.13.0"), ("9.1.0", "2.13.0"))
    ]
    assert fits == [True, False]
    assert table.triton_fits("3.6.0", "9.2.0", "2.14.0") is None


def test_kernels_are_those_of_the_nearest_cann_and_not_of_the_nearest_torch() -> None:
    """A stack of CANN 8.5 is nearer to torch 2.7.1, and its kernels are built for CANN 8.5."""
    cell = derive("2.7.1", "9.2.0")
    assert cell.stack == "derived from torch2.10.0-cann9.1.0"
    assert "no stack has CANN 9.2: what torch2.10.0-cann9.1.0 has is for CANN 9.1.0" in cell.notes
    older = derive("2.7.1", "8.2.RC1")
    assert older.stack == "derived from torch2.8.0-cann8.3.rc2"
    assert "bisheng" not in older.components


def test_of_equally_near_stacks_that_of_the_oldest_sglang_is_taken_as_where_one_is_listed() -> None:
    assert derive("2.8.0", "8.5.0").components["sglang"] == "0.5.6.post2"
    assert derive("2.8.0", "8.5.1").components["sglang"] == "0.5.6.post2"


def test_a_torch_for_cuda_is_refused_and_what_pip_shows_on_a_node_is_taken() -> None:
    """Its cell had the name, and so the lock, of the cell of torch 2.8.0."""
    with pytest.raises(
        BadVersionError, match=r"^--torch 2\.8\.0\+cu128 names a build of torch for cu128"
    ) as caught:
        derive("2.8.0+cu128")
    assert caught.value.next_step == "--torch 2.8.0"
    target = Target.named("aarch64")
    assert Request(torch="2.8.0", target=target, sglang="0.5.6.post2+npu").sglang == "0.5.6.post2"


@pytest.mark.parametrize(
    ("torch_npu", "told"),
    [
        ("2.8.0.post5", "the compatibility table does not say which CANN torch_npu 2.8.0.post5 belongs to"),
        ("2.8.0", "torch_npu 2.8.0 is made for CANN 8.3.RC1, and not stated to run on CANN 8.5.0"),
        ("2.8.0.post4", ""),
    ],
)
def test_a_stack_whose_torch_npu_is_not_stated_for_its_cann_is_told_of(
    tmp_path: Path, torch_npu: str, told: str
) -> None:
    shutil.copytree(RECIPES, tmp_path / "recipes")
    stack = tmp_path / "recipes" / "stacks" / "torch2.8.0-cann8.5.0.toml"
    stack.write_text(stack.read_text().replace('torch-npu = "2.8.0.post2"', f'torch-npu = "{torch_npu}"'))
    catalogue = load_catalogue(tmp_path / "recipes")
    target = Target.named("aarch64")
    for request in (
        Request(torch="", target=target, stack="torch2.8.0-cann8.5.0"),
        Request(torch="2.8.0", target=target, cann="8.5.0"),
        Request(torch="2.8.0", target=target, cann="8.5.0", sglang="0.5.7"),
    ):
        cell = cell_for(request, catalogue, load_compatibility(RECIPES), PUBLISHED.__getitem__)
        assert (told in cell.told) is bool(told)
        assert (told in cell.notes) is bool(told)


def test_the_branch_of_a_patch_is_that_of_its_release() -> None:
    row = load_compatibility(RECIPES).row("2.10.0.post6")
    assert row is not None
    assert (row.ascend, row.branch) == ("26.1.1", "v2.10.0-26.1.0")


def test_a_release_of_triton_ascend_has_one_row_for_a_cann(tmp_path: Path) -> None:
    text = (RECIPES / "compatibility.toml").read_text()
    (tmp_path / "compatibility.toml").write_text(
        f'{text}\n[[triton_ascend]]\nversion = "3.2.2"\ncann = ["8.5", "9.1"]\n'
    )
    with pytest.raises(InvalidFilesError, match=r'"3\.2\.2" has a row for CANN 9\.1 already'):
        load_compatibility(tmp_path)
