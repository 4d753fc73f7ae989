import re
from dataclasses import replace
from pathlib import Path

import pytest

from ascend_wheelhouse.cells.cell import Cell
from ascend_wheelhouse.cells.compatibility import (
    TorchNpuRow,
    UnknownCannError,
    load_compatibility,
    torchvision_for,
)
from ascend_wheelhouse.cells.contradiction import AgainstStackError
from ascend_wheelhouse.cells.derive import (
    BadVersionError,
    ChipNotOfCannError,
    UnknownApplicationError,
    UnknownTorchError,
    cell_for,
)
from ascend_wheelhouse.cells.nearest import NoStackError
from ascend_wheelhouse.cells.request import Request
from ascend_wheelhouse.cells.stack import load_catalogue
from ascend_wheelhouse.cells.target import Target
from ascend_wheelhouse.commands.tasks.cell import CellOptions

RECIPES = Path(__file__).parents[2] / "recipes"
PUBLISHED = {
    "torch": ["2.1.0", "2.7.0", "2.8.0", "2.9.0", "2.9.1", "2.12.0", "2.14.0"],
    "torch-npu": ["2.1.0.post17", "2.8.0", "2.8.0.post2", "2.8.0.post4", "2.9.1", "2.12.0", "2.14.0"],
}


def derive(
    torch: str,
    *,
    cann: str = "",
    sglang: str = "",
    platform: str = "aarch64",
    npu: str = "a3",
    python: str = "",
) -> Cell:
    target = Target.named(platform, npu, python=python)
    request = Request(torch=torch, target=target, cann=cann, sglang=sglang)
    versions = PUBLISHED.__getitem__
    return cell_for(request, load_catalogue(RECIPES), load_compatibility(RECIPES), versions)


@pytest.mark.parametrize(
    ("cann", "proposed"),
    [("8.3.RC2.alpha001", "--cann 8.3.RC2,"), ("8.5.T1", "--cann 8.5.0,")],
)
def test_a_preview_that_no_range_can_place_is_not_told_to_be_within_all_of_them(
    cann: str, proposed: str
) -> None:
    with pytest.raises(UnknownCannError, match="is a preview that cannot be compared") as caught:
        derive("2.8.0", cann=cann)
    assert proposed in caught.value.next_step
    assert "<8.5" not in caught.value.why


def test_a_torch_without_a_stack_gets_a_cell_that_says_so() -> None:
    cell = derive("2.12.0")
    assert cell.derived
    assert (cell.components["torch-npu"], cell.components["torchvision"], cell.cann) == (
        "2.12.0",
        "0.27.0",
        "9.1.0",
    )
    assert cell.components["cann-toolkit"] == "9.1.0"
    assert cell.notes[0].startswith("no stack lists torch 2.12.0 with CANN 9.1.0")


def test_another_cann_takes_the_torch_npu_that_is_stated_to_run_on_it() -> None:
    cell = derive("2.8.0", cann="9.0.0")
    assert (cell.components["torch-npu"], cell.components["triton-ascend"]) == ("2.8.0.post4", "3.2.1")
    assert cell.derived


@pytest.mark.parametrize(
    ("torch", "cann", "release"),
    [
        ("2.8.0", "9.1.0", "2.8.0.post4"),  # 26.0.0 and 26.1.0 run on 8.5, 9.0 and 9.1
        ("2.8.0", "8.5.0", "2.8.0.post2"),
        ("2.9.0", "9.0.0", "2.9.0.post2"),  # made for 9.0, though the newer 2.9.0.post6 runs on it as well
        ("2.7.1", "9.0.0", "2.7.1.post4"),
    ],
)
def test_a_torch_npu_made_for_a_cann_comes_before_newer_ones_that_run_on_it(
    torch: str, cann: str, release: str
) -> None:
    assert load_compatibility(RECIPES).rows_for(torch, cann)[0].version == release


def test_a_release_outside_the_table_is_taken_and_its_cann_called_unknown() -> None:
    cell = derive("2.9.1")
    assert cell.components["torch-npu"] == "2.9.1"
    assert any(
        "does not say which CANN torch_npu 2.9.1" in note and "8.5.0 is taken" in note for note in cell.notes
    )


def test_where_the_table_is_silent_the_cann_is_that_of_the_nearest_stack_of_the_line() -> None:
    cell = derive("2.9.1")
    assert (cell.stack, cell.cann) == ("derived from torch2.9.0-cann8.5.0", "8.5.0")
    named = derive("2.9.1", cann="9.1.0")
    assert named.cann == "9.1.0"
    assert not any("is taken" in note for note in named.notes)


def test_a_line_of_torch_is_answered_with_the_release_that_has_a_torch_npu(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(PUBLISHED, "torch", [*PUBLISHED["torch"], "2.12.1", "2.15.0", "2.15.1"])
    with pytest.raises(UnknownTorchError, match=r"did you mean 2\.12\.0\?"):
        derive("2.12")
    with pytest.raises(UnknownTorchError, match=r"did you mean 2\.15\.1\?"):
        derive("2.15")


def test_a_pre_release_of_torch_npu_is_taken_where_there_is_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PUBLISHED, "torch-npu", ["2.14.0", "2.14.0.post1.dev1", "2.9.1rc1"])
    assert derive("2.14.0").components["torch-npu"] == "2.14.0"
    assert derive("2.9.1").components["torch-npu"] == "2.9.1rc1"


def test_a_torch_without_any_torch_npu_release_is_built_from_source() -> None:
    cell = derive("2.7.0")
    assert any("built from source" in note for note in cell.notes)


def test_another_sglang_makes_the_cell_derived_with_the_transfer_engine_that_it_imports() -> None:
    cell = derive("2.8.0", sglang="0.5.9")
    assert cell.derived
    assert cell.components["memfabric-hybrid"] == "1.0.5"
    assert "mf-adapter" not in cell.components
    assert cell.notes[0].startswith("no stack lists SGLang 0.5.9 with torch 2.8.0 and CANN 8.3.RC2")


def test_a_release_whose_project_file_names_its_transfer_engine_brings_none_of_its_own() -> None:
    assert not {"memfabric-hybrid", "mf-adapter"} & derive("2.8.0", sglang="0.5.20").components.keys()
    assert derive("2.12.0", sglang="0.5.7").components["mf-adapter"] == "1.0.0"


def test_an_application_without_any_other_word_is_its_default_stack() -> None:
    request = Request(torch="", target=Target.named("aarch64", "910b"), app="vllm-ascend")
    cell = cell_for(request, load_catalogue(RECIPES), load_compatibility(RECIPES), PUBLISHED.__getitem__)
    assert not cell.derived
    assert cell.name == "vllm-ascend0.13.0-torch2.8.0-cann8.5.0-910b-aarch64"
    assert cell.words == "--torch 2.8.0 --platform aarch64 --npu 910b --cann 8.5.0 --app vllm-ascend"
    assert cell.as_manifest()["app"] == "vllm-ascend"


def test_an_application_on_a_torch_that_its_stacks_lack_is_derived_from_its_own_stacks() -> None:
    request = Request(torch="2.12.0", target=Target.named("aarch64"), app="vllm-ascend")
    cell = cell_for(request, load_catalogue(RECIPES), load_compatibility(RECIPES), PUBLISHED.__getitem__)
    assert cell.derived
    assert (cell.application, cell.components["vllm"], "sglang" in cell.components) == (
        "vllm-ascend",
        "0.13.0",
        False,
    )


def test_an_application_without_a_stack_for_a_cann_asks_for_a_torch() -> None:
    request = Request(torch="", target=Target.named("aarch64"), app="vllm-ascend", cann="9.1.0")
    with pytest.raises(NoStackError, match=r"^No stack of vllm-ascend is for what was asked\.") as caught:
        cell_for(request, load_catalogue(RECIPES), load_compatibility(RECIPES), PUBLISHED.__getitem__)
    assert "CANN 8.5.0" in caught.value.why


@pytest.mark.parametrize(("app", "sglang"), [("vlm", ""), ("vllm-ascend", "0.5.9")])
def test_an_application_that_nothing_is_known_of_or_a_release_of_another_one_is_refused(
    app: str, sglang: str
) -> None:
    request = Request(torch="2.8.0", target=Target.named("aarch64"), app=app, sglang=sglang)
    with pytest.raises(UnknownApplicationError) as caught:
        cell_for(request, load_catalogue(RECIPES), load_compatibility(RECIPES), PUBLISHED.__getitem__)
    assert caught.value.exit_code == 2


def test_a_torch_that_does_not_exist_lists_those_that_do() -> None:
    with pytest.raises(UnknownTorchError, match=r"^torch 2\.8\.7 has no wheel for aarch64") as caught:
        derive("2.8.7")
    assert caught.value.exit_code == 3
    assert "2.14.0, 2.12.0, 2.9.1" in caught.value.why


@pytest.mark.parametrize("others", [{"platforms": ["x86_64"]}, {}], ids=["machine", "none at all"])
def test_where_no_stack_is_for_the_target_nothing_is_derived(others: dict[str, list[str]]) -> None:
    whole = load_catalogue(RECIPES)
    stacks = tuple(stack.model_copy(update=others) for stack in whole.stacks if others)
    request = Request(torch="2.12.0", target=Target.named("aarch64", "a3"))
    with pytest.raises(NoStackError, match=r"^No stack of sglang is for aarch64\.") as caught:
        cell_for(request, replace(whole, stacks=stacks), load_compatibility(RECIPES), PUBLISHED.__getitem__)
    assert caught.value.exit_code == 2


def test_words_that_are_no_versions_are_refused() -> None:
    with pytest.raises(BadVersionError, match=r"^--torch 'two' is not a version\."):
        derive("two")
    with pytest.raises(UnknownCannError, match=r"^--cann 'latest' is not a CANN version\."):
        derive("2.8.0", cann="latest")


def test_a_cann_of_which_nothing_is_known_lists_the_known_lines() -> None:
    with pytest.raises(UnknownCannError, match=r"^Nothing is known of CANN 5\.1\.0\.") as caught:
        derive("2.8.0", cann="5.1.0")
    assert "8.5" in caught.value.why
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("torch", "vision"), [("2.6.0", "0.21.0"), ("2.7.1", "0.22.1"), ("2.13.0", "0.28.0"), ("2.1.2", "0.16.2")]
)
def test_torchvision_follows_torch(torch: str, vision: str) -> None:
    assert torchvision_for(torch) == vision


def test_the_branch_of_a_release_comes_from_the_table() -> None:
    """The version cannot be read off the branch: v2.8.0-7.3.0 is 2.8.0.post2."""
    row = load_compatibility(RECIPES).row("2.8.0.post2")
    assert row is not None
    assert row.branch == "v2.8.0-7.3.0"
    assert row.release == row.commit == "729dda3516b997462560a1e12b06a8efb9288494"


def test_a_release_without_a_known_commit_is_its_branch() -> None:
    row = TorchNpuRow(version="2.8.0.post2", torch="2.8.0", ascend="7.3.0", cann="8.5.0")
    assert row.release == "v2.8.0-7.3.0"


def test_a_python_without_a_torch_is_named_with_the_versions_that_there_are() -> None:
    with pytest.raises(
        UnknownTorchError, match=r"^torch 2\.8\.7 has no wheel for aarch64 and Python 3\.12\."
    ) as told:
        derive("2.8.7", python="3.12")
    assert "--python 3.12" in told.value.next_step


def test_ascend_950_has_a_cell_where_cann_has_operators_for_it() -> None:
    cell = derive("2.12.0", npu="950")
    assert cell.cann == "9.1.0"
    assert cell.stack_id.endswith("-950")


@pytest.mark.parametrize(("torch", "cann", "unknown"), [("2.8.0", "9.0.0", True), ("2.12.0", "", False)])
def test_what_is_not_known_of_a_torch_npu_on_ascend_950_is_said(
    torch: str, cann: str, *, unknown: bool
) -> None:
    told = [note for note in derive(torch, cann=cann, npu="950").notes if "nothing is known of" in note]
    assert bool(told) is unknown
    assert not any("known to run on" in note for note in derive(torch, cann=cann).notes)


def test_ascend_950_is_refused_with_a_cann_that_has_no_operators_for_it() -> None:
    """CANN's operator packages of Ascend 950 begin with 9.0, so that no cell of the guide's own CANN can serve it."""
    with pytest.raises(ChipNotOfCannError, match=r"^CANN 8\.5\.0 has no cann-kernels for chip 950\.") as told:
        derive("2.8.0", cann="8.5.0", npu="950")
    assert "Ascend/cann-container-image:manylinux/9.0.0-950" in told.value.why
    assert "--cann 9.1.0 --npu 950" in told.value.next_step
    assert told.value.exit_code == 2


_STACK = "torch2.8.0-cann8.5.0"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ({"torch": "2.7.1"}, f"--torch 2.7.1 contradicts --stack {_STACK}, which has 2.8.0."),
        ({"cann": "9.1.0"}, f"--cann 9.1.0 contradicts --stack {_STACK}, which has 8.5.0."),
        ({"sglang": "0.5.9"}, f"--sglang 0.5.9 contradicts --stack {_STACK}, which has "),
        ({"sglang": "9" * 5000}, f"contradicts --stack {_STACK}, which has "),
        ({"app": "vllm-ascend"}, f"--app vllm-ascend contradicts --stack {_STACK}, which has sglang."),
    ],
)
def test_a_word_that_contradicts_the_stack_beside_it_is_refused(words: dict[str, str], told: str) -> None:
    with pytest.raises(AgainstStackError, match=re.escape(told)) as caught:
        _of_stack(**words)
    assert caught.value.exit_code == 2


def test_a_word_that_says_what_the_stack_says_is_taken() -> None:
    assert _of_stack(torch="2.8.0+cpu", cann="8.5.0", app="sglang") == _of_stack()
    assert CellOptions(stack="torch2.13.0-cann9.1.0").request().torch == ""


def _of_stack(**words: str) -> Cell:
    request = Request(target=Target.named("aarch64"), stack=_STACK, **{"torch": "", **words})
    return cell_for(request, load_catalogue(RECIPES), load_compatibility(RECIPES), PUBLISHED.__getitem__)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ({"torch": "v2.8.0"}, {"torch": "2.8.0"}),
        ({"torch": "2.8.0", "sglang": "v0.5.6.post2"}, {"torch": "2.8.0", "sglang": "0.5.6.post2"}),
        ({"torch": "2.8.0", "sglang": "0.5.6-post2"}, {"torch": "2.8.0", "sglang": "0.5.6.post2"}),
        ({"torch": "2.9.0", "cann": "8.3.rc2"}, {"torch": "2.9.0", "cann": "8.3.RC2"}),
    ],
    ids=["a tag of torch", "a tag of SGLang", "another spelling", "a CANN in small letters"],
)
def test_a_version_in_another_spelling_means_the_same_cell(
    written: dict[str, str], meant: dict[str, str]
) -> None:
    assert derive(**written) == derive(**meant)
