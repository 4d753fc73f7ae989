from __future__ import annotations

import argparse
from pathlib import Path

import pytest
from environments import manifest, setting

from ascend_wheelhouse.node.host import cann
from ascend_wheelhouse.node.probes import named
from ascend_wheelhouse.node.probes.api import Context
from ascend_wheelhouse.node.probes.device import span_of
from ascend_wheelhouse.node.verify import planning, settings
from ascend_wheelhouse.node.verify.several_nodes import Nodes, add_arguments, nodes_of

ONE_DEVICE = cann.Ascend(devices=1, toolkit="/usr/local/Ascend", scripts=())


def read(*words: str) -> Nodes:
    line = argparse.ArgumentParser()
    add_arguments(line)
    return nodes_of(line.parse_args(words), line)


def test_a_node_alone_needs_no_words() -> None:
    assert read() == settings.ALONE == Nodes(count=1, rank=0, address="")


def test_nodes_are_named_with_sglangs_own_words() -> None:
    found = read("--nnodes", "2", "--node-rank", "1", "--dist-init-addr", "10.0.0.1:5000")
    assert found == Nodes(count=2, rank=1, address="10.0.0.1:5000")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--nnodes", "2"], "--nnodes 2 needs --dist-init-addr HOST:PORT"),
        (["--nnodes", "2", "--dist-init-addr", "10.0.0.1"], "needs --dist-init-addr HOST:PORT"),
        (["--nnodes", "2", "--node-rank", "2", "--dist-init-addr", "h:1"], "ranks go from 0 to one less"),
        (["--nnodes", "0"], "--node-rank 0 of --nnodes 0"),
        (["--node-rank", "-1"], "ranks go from 0"),
    ],
)
def test_words_that_do_not_fit_are_refused(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        read(*words)
    assert ended.value.code == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize("probe", ["hccl-all-reduce", "deep-ep"])
def test_one_device_on_each_of_two_nodes_is_enough_for_a_pair(probe: str, tmp_path: Path) -> None:
    alone, two = (
        setting(
            tmp_path,
            tmp_path / "run",
            manifest({"torch-npu": "1", "deep-ep": "1"}),
            settings.VerifyOptions(nodes=nodes),
            ascend=ONE_DEVICE,
        )
        for nodes in (settings.ALONE, Nodes(count=2, rank=0, address="10.0.0.1:5000"))
    )
    assert planning.obstacle(named(probe), alone).startswith("1 NPUs here and this takes two")
    assert planning.obstacle(named(probe), two) == ""


def test_a_span_over_nodes_says_how_many_devices_and_which_node_this_is() -> None:
    options = {"devices": 16, "nnodes": 2, "node_rank": 1, "dist_init_addr": "10.0.0.1:5000"}
    given = Context(manifest={}, options=options, scratch=Path("/nowhere"), doing=lambda _text: None)
    assert (span_of(given).world, str(span_of(given))) == (32, "32 devices of 2 nodes (this is node 1)")
