from pathlib import Path

import pytest

from ascend_wheelhouse.base.errors import UsageError
from ascend_wheelhouse.cells.stack import Catalogue, choose, load_catalogue, named
from ascend_wheelhouse.cells.target import Target

RECIPES = Path(__file__).parents[2] / "recipes"
AARCH64 = Target.named("aarch64")


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue(RECIPES)


@pytest.mark.parametrize(
    ("torch", "cann", "torch_npu", "torchvision", "triton"),
    [
        ("2.6.0", "", "2.6.0.post3", "0.21.0", "3.2.0rc4"),
        ("2.7.1", "", "2.7.1.post2", "0.22.1", "3.2.0"),
        ("2.8.0", "", "2.8.0.post2", "0.23.0", "3.2.0rc4"),
        ("2.8.0", "8.3.rc2", "2.8.0.post2", "0.23.0", "3.2.0rc4"),
        ("2.8.0", "8.5.0", "2.8.0.post2", "0.23.0", "3.2.0"),
        ("2.9.0", "", "2.9.0", "0.24.0", "3.2.0"),
        ("2.10.0", "", "2.10.0.post4", "0.25.0", "3.2.2"),
        ("2.13.0", "", "2.13.0", "0.28.0", "3.2.0"),
    ],
)
@pytest.mark.parametrize("npu", ["a3", "910b"])
def test_the_cells_of_the_stack_table(
    catalogue: Catalogue, torch: str, cann: str, torch_npu: str, torchvision: str, triton: str, npu: str
) -> None:
    cell = choose(catalogue, torch=torch, target=Target.named("aarch64", npu), cann=cann)
    assert cell is not None
    assert not cell.derived
    found = cell.components
    assert (found["torch-npu"], found["torchvision"], found["triton-ascend"]) == (
        torch_npu,
        torchvision,
        triton,
    )


def test_the_guides_stack_is_the_default_for_torch_2_8(catalogue: Catalogue) -> None:
    cell = choose(catalogue, torch="2.8.0", target=AARCH64)
    assert cell is not None
    assert (cell.cann, cell.components["mf-adapter"], cell.components["sglang"]) == (
        "8.3.RC2",
        "1.0.0",
        "0.5.6.post2",
    )
    assert cell.name == "sglang0.5.6.post2-torch2.8.0-cann8.3.rc2-a3-aarch64"


def test_what_upstream_has_for_aarch64_only_is_left_out_and_said_on_x86_64(catalogue: Catalogue) -> None:
    cell = choose(catalogue, torch="2.8.0", target=Target.named("x86_64"))
    assert cell is not None
    assert "bisheng" not in cell.components
    assert "bisheng: upstream has nothing for x86_64" in cell.notes


def test_each_chip_has_its_own_topologies(catalogue: Catalogue) -> None:
    """A2 has 8 devices, wants a larger HCCL buffer and must not set the expansion mode."""
    a3 = choose(catalogue, torch="2.8.0", target=AARCH64)
    a2 = choose(catalogue, torch="2.8.0", target=Target.named("aarch64", "910b"))
    assert a3 is not None
    assert a2 is not None
    assert "tp16-deepep" in a3.serving["topologies"]
    assert a2.serving["topologies"]["tp8-deepep"]["unset"] == ["HCCL_OP_EXPANSION_MODE"]
    assert (
        a2.serving["topologies"]["pd-prefill"]["environment"]["ASCEND_MF_TRANSFER_PROTOCOL"] == "device_rdma"
    )


def test_an_unknown_stack_name_lists_the_stacks(catalogue: Catalogue) -> None:
    with pytest.raises(UsageError, match=r"^No stack 'torch9' for aarch64 and a3\.") as caught:
        named(catalogue, "torch9", AARCH64)
    assert "torch2.8.0-cann8.5.0" in caught.value.why


@pytest.mark.parametrize(("platform", "npu"), [("riscv64", "a3"), ("aarch64", "a5")])
def test_an_unknown_platform_or_chip_lists_the_known_ones(platform: str, npu: str) -> None:
    with pytest.raises(UsageError, match=r"^Unknown (platform 'riscv64'|NPU chip 'a5')\.") as caught:
        Target.named(platform, npu)
    assert caught.value.next_step.startswith(("--platform aarch64 or", "--npu a3 or"))
