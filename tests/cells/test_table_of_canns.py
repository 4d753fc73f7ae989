"""What upstream's newest release lines say: torch_npu 26.2.0 and CANN 9.2, and patches of a line."""

from __future__ import annotations

from pathlib import Path

import pytest

from ascend_wheelhouse.base.toml_file import InvalidFilesError
from ascend_wheelhouse.cells.cell import Cell
from ascend_wheelhouse.cells.compatibility import load_compatibility
from ascend_wheelhouse.cells.derive import cell_for
from ascend_wheelhouse.cells.request import Request
from ascend_wheelhouse.cells.stack import load_catalogue
from ascend_wheelhouse.cells.target import Target

RECIPES = Path(__file__).parents[2] / "recipes"
PUBLISHED = {
    "torch": ["2.7.1", "2.10.0", "2.12.0", "2.13.0", "2.14.0"],
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
