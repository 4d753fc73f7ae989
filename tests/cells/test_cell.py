import pytest

from ascend_wheelhouse.base.errors import UsageError
from ascend_wheelhouse.cells.cell import Cell
from ascend_wheelhouse.cells.target import PYTHONS, Target, UnknownPythonError, UnservedChipError


@pytest.fixture
def cell() -> Cell:
    components = {"sglang": "0.5.6.post2", "torch": "2.13.0+cpu", "torch-npu": "2.13.0"}
    return Cell(stack="s", target=Target.named("x86_64"), cann="8.3.RC2", components=components)


def test_the_folder_name_says_the_whole_cell(cell: Cell) -> None:
    assert cell.name == "sglang0.5.6.post2-torch2.13.0-cann8.3.rc2-a3-x86_64"


@pytest.mark.parametrize(
    ("when", "holds"),
    [
        ({}, True),
        ({"machine": "x86_64"}, True),
        ({"machine": "aarch64|x86_64"}, True),
        ({"machine": "aarch64"}, False),
        ({"torch_npu": "<2.13"}, False),
        ({"torch-npu": ">=2.13"}, True),
        ({"cann": "<8.5.0.dev0"}, True),
        ({"cann": ">=8.5.0.dev0"}, False),
        ({"torch": "2.13.0", "npu": "910b"}, False),
        ({"triton_ascend": ">3.2.0"}, False),
    ],
)
def test_conditions_are_ranges_or_words(cell: Cell, when: dict[str, str], holds: bool) -> None:  # noqa: FBT001 - a parameter of the test
    assert cell.holds(when) is holds


def test_the_manifest_names_components_with_underscores(cell: Cell) -> None:
    told = cell.as_manifest()
    assert told["torch_npu"] == "2.13.0"
    assert (told["machine"], told["npu"], told["python"], told["glibc"]) == ("x86_64", "a3", "3.11", "2.28")


def of(target: Target) -> Cell:
    """Return a cell of a target, with the least in it that a cell has."""
    return Cell(stack="s", target=target, cann="9.1.0", components={"sglang": "0.5.6", "torch": "2.10.0"})


def test_another_python_than_the_default_stands_in_the_folder_name_behind_the_glibc() -> None:
    newer = of(Target.named("aarch64", glibc="2.34", python="3.12"))
    assert newer.stack_id == "sglang0.5.6-torch2.10.0-cann9.1.0-a3-glibc2.34-py3.12"
    assert of(Target.named("aarch64", python="3.11")).stack_id == of(Target.named("aarch64")).stack_id


def test_another_python_is_carried_in_the_words_and_the_fields_of_the_cell() -> None:
    newer = of(Target.named("aarch64", python="3.12"))
    assert "--platform aarch64 --python 3.12" in newer.words
    assert "--python" not in of(Target.named("aarch64")).words
    assert (newer.fields["python"], newer.fields["python_tag"]) == ("3.12", "cp312")


def test_a_target_of_python_3_12_takes_wheels_of_that_python_and_no_others() -> None:
    target = Target.named("x86_64", python="3.12")
    interpreters = {tag.interpreter for tag in target.tags if tag.abi.startswith("cp3")}
    assert {"cp312"} <= interpreters
    assert not any(tag.abi in {"cp311", "cp313"} for tag in target.tags)
    assert (target.markers["python_version"], target.markers["python_full_version"]) == ("3.12", "3.12.0")


@pytest.mark.parametrize("word", ["3.10", "3.13", "3", "3.12.1", "cp312", "3.1", "three"])
def test_a_python_that_upstream_does_not_run_is_refused_with_those_that_it_does(word: str) -> None:
    with pytest.raises(UnknownPythonError, match=r"^'.*' is no Python that wheelhouses are made for") as told:
        Target.named("aarch64", python=word)
    assert told.value.exit_code == 2
    assert told.value.next_step == "--python 3.11 or --python 3.12"


def test_the_default_python_is_the_one_of_the_installation_guide() -> None:
    assert Target.named("aarch64").python == PYTHONS[0] == (3, 11)


def test_ascend_950_is_a_chip_of_its_own() -> None:
    assert of(Target.named("aarch64", "950")).stack_id.endswith("-950")


def test_a_chip_that_the_serving_stack_does_not_have_is_refused_with_the_reason_and_its_source() -> None:
    with pytest.raises(UnservedChipError) as told:
        Target.named("aarch64", "310p")
    assert "triton-ascend" in told.value.why
    assert "vllm-project/vllm-ascend#7421" in told.value.why
    assert told.value.exit_code == 2


def test_a_chip_that_nobody_knows_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(UsageError, match=r"^Unknown NPU chip '910a'\.") as told:
        Target.named("aarch64", "910a")
    assert told.value.next_step == "--npu a3 or --npu 910b or --npu 950"
