"""The probes of operators whose real code is the chip's, over stand-ins that compute rightly or wrongly.

torch_npu's own dispatch, memory and HCCL are in the way; the operators are `tests/standins/kernels`.
"""

from __future__ import annotations

import os
import re
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from node_faults import Fault
from soft_nodes import Workshop, with_kernels

pytest_plugins = ["node_fixtures"]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.network,
    pytest.mark.skipif(
        "WHEELHOUSE_LONG_TESTS" not in os.environ, reason="a quarter of an hour: nox -s software"
    ),
]

RIGHT = {
    "sgl-kernel-npu-ops": r"helloworld, batch_matmul_transpose, cache_loc_update, cache_loc_assign, "
    r"build_tree_kernel_efficient, l1_norm agree with the CPU",
    "custom-ops": r"2 custom:: operators registered; 2048 of 4096 keys are chosen and attended to as on the CPU",
    "deep-ep": r"64 tokens a rank sent and combined over 2 devices: normal difference .*, low-latency difference ",
}
WRONG = [
    ("sgl-kernel-npu-ops", "operator-missing", r"not registered: mla_preprocess"),
    ("sgl-kernel-npu-ops", "helloworld-forgets", r"helloworld: float16: relative error"),
    (
        "sgl-kernel-npu-ops",
        "batch-matmul-one-head-for-all",
        r"batch_matmul_transpose: float16: relative error .* the other chip",
    ),
    (
        "sgl-kernel-npu-ops",
        "batch-matmul-nan",
        r"batch_matmul_transpose: float16: 1 of 73728 results are not",
    ),
    ("sgl-kernel-npu-ops", "cache-loc-one-late", r"cache_loc_update: 12 of 12 numbers are wrong"),
    (
        "sgl-kernel-npu-ops",
        "cache-loc-assign-writes-nothing",
        r"cache_loc_assign: 12 of 512 numbers are wrong",
    ),
    ("sgl-kernel-npu-ops", "tree-is-flat", r"build_tree_kernel_efficient: positions: 8 of 10 numbers"),
    (
        "sgl-kernel-npu-ops",
        "tree-loses-siblings",
        r"build_tree_kernel_efficient: next sibling: 2 of 10 numbers",
    ),
    ("sgl-kernel-npu-ops", "l1-norm-of-columns", r"l1_norm: float32: relative error"),
    (
        "custom-ops",
        "operator-missing",
        r"not registered, though SGLang calls them: npu_sparse_flash_attention",
    ),
    (
        "custom-ops",
        "indexer-takes-the-worst",
        r"npu_lightning_indexer: \d+ of 2048 chosen keys are not among",
    ),
    (
        "custom-ops",
        "indexer-forgets-weights",
        r"npu_lightning_indexer: \d+ of 2048 chosen keys are not among",
    ),
    ("custom-ops", "indexer-repeats", r"npu_lightning_indexer: 1 different keys of the 2048 asked for"),
    ("custom-ops", "pages-in-storage-order", r"npu_lightning_indexer: \d+ of 2048 chosen keys are not among"),
    ("custom-ops", "attention-forgets-rotary", r"npu_sparse_flash_attention: bfloat16: relative error"),
    ("custom-ops", "attention-forgets-scale", r"npu_sparse_flash_attention: bfloat16: relative error"),
    (
        "deep-ep",
        "normal-swaps-tokens",
        r"rank \d of 2 .*normal: combined tokens differ from the weighted input",
    ),
    ("deep-ep", "normal-counts-wrong", r"rank \d of 2 .*normal: the experts of rank \d got"),
    ("deep-ep", "low-latency-loses-a-token", r"rank \d of 2 .*low-latency: the experts of rank \d got"),
    ("deep-ep", "low-latency-forgets-weights", r"rank \d of 2 .*low-latency: combined tokens differ"),
]


@pytest.mark.parametrize("probe", RIGHT)
def test_right_answers_pass(probe: str, workshop: Workshop, tmp_path: Path) -> None:
    environment = with_kernels(workshop.environment, tmp_path / "environment")
    told = workshop.run(Fault(name="none", probe=probe, told=""), tmp_path, environment=environment)["result"]
    assert told["verdict"] == "passed", told
    assert re.search(RIGHT[probe], told["evidence"]), told["evidence"]


@pytest.mark.parametrize(("probe", "fault", "words"), WRONG)
def test_a_wrong_answer_fails_and_is_told(
    probe: str, fault: str, words: str, workshop: Workshop, tmp_path: Path
) -> None:
    environment = with_kernels(workshop.environment, tmp_path / "environment", fault)
    told = workshop.run(Fault(name=fault, probe=probe, told=""), tmp_path, environment=environment)["result"]
    assert told["verdict"] == "failed", told
    assert re.search(words, told["evidence"]), told["evidence"]


@pytest.mark.parametrize(
    ("probe", "words"),
    [
        ("deep-ep", r"64 tokens a rank sent and combined over 2 devices of 2 nodes \(this is node 1\)"),
        ("hccl-all-reduce", r"64 MiB summed over 2 devices of 2 nodes \(this is node 1\) in .*4 MiB passed"),
    ],
)
def test_two_nodes_prove_their_links_together(
    probe: str, words: str, workshop: Workshop, tmp_path: Path
) -> None:
    """Two software nodes with one device each; their HCCL meets in this machine's shared memory."""
    environment = with_kernels(workshop.environment, tmp_path / "environment")
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
    for name in ("first", "second"):
        (tmp_path / name).mkdir()

    def node(rank: int) -> dict[str, object]:
        folder = tmp_path / ("first", "second")[rank]
        alone = Fault(name="none", probe=probe, told="", devices=1)
        return workshop.run(alone, folder, environment=environment, nodes=(2, rank, address))

    with ThreadPoolExecutor(2) as pool:
        told = [one["result"] for one in pool.map(node, range(2))]
    assert [one["verdict"] for one in told] == ["passed", "passed"], told  # type: ignore[index]
    assert re.search(words, told[1]["evidence"]), told[1]  # type: ignore[index]
