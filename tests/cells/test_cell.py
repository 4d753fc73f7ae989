import pytest

from ascend_wheelhouse.cells.cell import Cell
from ascend_wheelhouse.cells.target import Target


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
