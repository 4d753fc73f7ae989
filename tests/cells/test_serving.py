from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from pydantic import ValidationError

from ascend_wheelhouse.base.toml_file import InvalidFilesError
from ascend_wheelhouse.cells.compatibility import load_compatibility
from ascend_wheelhouse.cells.derive import cell_for
from ascend_wheelhouse.cells.request import Request
from ascend_wheelhouse.cells.serving import PLACEHOLDERS, Serving
from ascend_wheelhouse.cells.stack import load_catalogue
from ascend_wheelhouse.cells.target import Npu, Target
from ascend_wheelhouse.node.serving.topologies import ROUTER, program_of

ROOT = Path(__file__).parents[2]
VALUES = {name: f"value-of-{name}" for name in PLACEHOLDERS}


@pytest.fixture(scope="module")
def serving() -> Serving:
    return load_catalogue(ROOT / "recipes").serving["sglang-0.5.6"]


@pytest.mark.parametrize("npu", ["a3", "910b"])
def test_every_topology_is_a_whole_command_once_its_open_words_have_values(
    npu: Npu, serving: Serving
) -> None:
    table = serving.of(Target.named("aarch64", npu))
    for name in table["topologies"]:
        program = program_of(table, name, VALUES)
        told = [*program.arguments, *program.environment.values()]
        assert not [word for word in told if "{" in word], name


def test_one_topology_serves_with_graphs_and_is_otherwise_the_first_one(serving: Serving) -> None:
    single, graph = (serving.topologies["all"][name].arguments for name in ("single", "graph"))
    assert "--disable-cuda-graph" in single
    assert "--disable-cuda-graph" not in graph
    assert [word for word in single if word != "--disable-cuda-graph"] == graph[: len(single) - 1]
    assert graph[len(single) - 1] == "--cuda-graph-bs"


def test_the_server_over_two_nodes_gets_the_same_words_on_both_but_its_rank(serving: Serving) -> None:
    table = serving.of(Target.named("aarch64", "a3"))
    name = "deepseek-w8a8-decode-2-nodes"
    assert table["topologies"][name]["nodes"] == 2
    first, second = (program_of(table, name, {**VALUES, "node_rank": rank}) for rank in ("0", "1"))
    differing = [one for one in zip(first.arguments, second.arguments, strict=True) if one[0] != one[1]]
    assert differing == [("0", "1")]
    assert first.environment == second.environment


@pytest.mark.parametrize("name", ["sglang-0.5.6", "sglang-0.5.10"])
@pytest.mark.parametrize("npu", ["a3", "910b"])
def test_no_prefill_server_overlaps_its_batches(npu: Npu, name: str) -> None:
    """NEXTN alone switches overlap off where `SGLANG_ENABLE_SPEC_V2` is not set: server_args.py of 0.5.6.post2."""
    table = load_catalogue(ROOT / "recipes").serving[name].of(Target.named("aarch64", npu))
    prefill = [one for one in table["topologies"].values() if "prefill" in one["arguments"]]
    assert prefill
    for one in prefill:
        alone = "NEXTN" in one["arguments"] and "SGLANG_ENABLE_SPEC_V2" not in one["environment"]
        assert alone or "--disable-overlap-schedule" in one["arguments"], one


@pytest.mark.parametrize("npu", ["a3", "910b"])
def test_the_pair_shares_a_store_and_the_router_knows_both_servers(npu: Npu, serving: Serving) -> None:
    table = serving.of(Target.named("aarch64", npu))
    pair = table["pairs"]["pd"]
    prefill, decode, router = (
        program_of(table, pair[part], VALUES) for part in ("prefill", "decode", "router")
    )
    assert prefill.environment["ASCEND_MF_STORE_URL"] == decode.environment["ASCEND_MF_STORE_URL"]
    assert (
        prefill.arguments[prefill.arguments.index("--disaggregation-bootstrap-port") + 1]
        == (router.arguments[router.arguments.index("value-of-prefill") + 1])
    )
    assert "value-of-decode" in router.arguments
    assert router.module == ROUTER


def test_a_pair_of_a_topology_that_not_every_chip_has_is_refused(serving: Serving) -> None:
    table = serving.model_dump()
    table["pairs"]["pd"]["decode"] = "tp16-deepep"
    told = r'is "tp16-deepep", every chip has graph, pd-decode, pd-prefill, pd-router, single, tp2-fia'
    with pytest.raises(ValidationError, match=told):
        Serving.model_validate(table)


def test_every_open_word_is_told_in_the_document() -> None:
    text = (ROOT / "docs/serving.md").read_text(encoding="utf-8")
    assert [name for name in PLACEHOLDERS if f"`{{{name}}}`" not in text] == []


def test_every_topology_is_told_in_the_document(serving: Serving) -> None:
    text = (ROOT / "docs/serving.md").read_text(encoding="utf-8")
    names = {name for table in serving.topologies.values() for name in table}
    assert [name for name in sorted(names) if f"`{name}`" not in text] == []


def test_a_newer_file_holds_what_it_says_and_the_rest_of_the_file_that_it_extends(serving: Serving) -> None:
    newer = load_catalogue(ROOT / "recipes").serving["sglang-0.5.10"]
    assert {chip: set(table) for chip, table in newer.topologies.items()} == {
        chip: set(table) for chip, table in serving.topologies.items()
    }
    changed = "deepseek-w4a8-decode"
    assert "--prefill-round-robin-balance" in serving.topologies["a3"][changed].arguments
    assert "--prefill-round-robin-balance" not in newer.topologies["a3"][changed].arguments
    assert newer.topologies["all"] == serving.topologies["all"]
    assert (newer.command, newer.imports, newer.pairs) == (serving.command, serving.imports, serving.pairs)
    assert newer.cpu_arguments
    assert not serving.cpu_arguments


@pytest.mark.parametrize(
    ("release", "words"), [("0.5.10", ["--disable-piecewise-cuda-graph"]), ("0.5.9", [])]
)
def test_a_release_that_no_stack_lists_is_started_by_the_file_for_it(release: str, words: list[str]) -> None:
    catalogue = load_catalogue(ROOT / "recipes")
    request = Request(torch="2.13.0", target=Target.named("x86_64", "a3"), sglang=release)
    cell = cell_for(request, catalogue, load_compatibility(ROOT / "recipes"), lambda _: [])
    assert cell.derived
    assert cell.serving["cpu_arguments"] == words


def test_what_a_serving_file_extends_extends_nothing_itself(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "recipes", tmp_path / "recipes")
    third = tmp_path / "recipes/serving/sglang-9.toml"
    third.write_text('name = "sglang-9"\nextends = "sglang-0.5.10"\n')
    with pytest.raises(InvalidFilesError, match=r"sglang-0\.5\.10 extends sglang-0\.5\.6 itself"):
        load_catalogue(tmp_path / "recipes")
    third.write_text('name = "sglang-9"\n')
    with pytest.raises(InvalidFilesError, match="a file that extends no other names at least one topology"):
        load_catalogue(tmp_path / "recipes")
