"""The server probe as a whole, over a package that is called sglang and behaves as it is told."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from environments import install, make_environment, manifest, setting

from ascend_wheelhouse.node.host import cann
from ascend_wheelhouse.node.probes import named
from ascend_wheelhouse.node.probes.api import Context, ProbeFailedError, ProbeSkippedError
from ascend_wheelhouse.node.probes.server import run, topology
from ascend_wheelhouse.node.serving import server_check
from ascend_wheelhouse.node.serving.http_client import Answer
from ascend_wheelhouse.node.serving.topologies import TopologyError, program_of
from ascend_wheelhouse.node.verify import planning, runner, settings
from ascend_wheelhouse.node.verify.report import Result

STAND_IN = Path(__file__).with_name("stand_in_server.py").read_text(encoding="utf-8")
LAUNCHER = """
import runpy, sys
from pathlib import Path
here = Path(__file__).parent
sys.argv = ["server", (here / "knobs.json").read_text(), sys.argv[sys.argv.index("--port") + 1]]
runpy.run_path(str(here / "stand_in.py"), run_name="__main__")
"""


def serve(tmp_path: Path, **knobs: object) -> Result:
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text('{"max_position_embeddings": 512}')
    environment = make_environment(tmp_path / "environment")
    told = json.dumps({"model": str(model), **knobs})
    package: dict[str, str | bytes] = {"sglang/__init__.py": "", "sglang/launch_server.py": LAUNCHER}
    install(
        environment, "sglang", "1", {**package, "sglang/stand_in.py": STAND_IN, "sglang/knobs.json": told}
    )
    options = settings.VerifyOptions(model=str(model), standins=str(tmp_path))
    made = setting(environment, tmp_path / "run", manifest({"sglang": "1"}), options)
    return runner.run_probe(named("server"), made)


def test_a_good_server_passes_with_its_figures(tmp_path: Path) -> None:
    result = serve(tmp_path)
    assert (result.verdict, result.detail) == ("passed", "")
    assert result.figures["stop"]["killed"] is False
    assert result.figures["still-healthy"]["memory_mib"] > 0
    assert result.evidence.startswith("healthy after ")
    assert ", 10 checks pass (no reference for these weights), " in result.evidence
    assert "as-reference" not in result.figures
    assert result.evidence.endswith("nothing left after the stop")


def test_a_context_that_the_models_file_does_not_tell_is_the_servers(tmp_path: Path) -> None:
    """As that of a model with pictures, whose file has it in a part of its own, or of one with scaled positions."""
    result = serve(tmp_path, context=4096, told_context=4096)
    assert result.verdict == "passed", result


@pytest.mark.parametrize(
    ("knobs", "cause"),
    [
        ({"die_after": 1}, "greedy-twice: the server ended by itself with status -9"),
        ({"garbage": True}, "greedy-twice: ValueError: the answer is not JSON: b'\\x00garbage<'"),
        ({"drift": True}, "greedy tokens differ between two requests"),
        ({"key": ""}, "api-key: a request without the key: status 200, not 401"),
        ({"on_term": "orphans", "children": 2}, "LeftBehindError: still alive 5 s after the stop: python"),
        ({"text": ""}, "completions: /v1/completions gave no text, 16 tokens were asked for"),
        ({"text": "!! !!!"}, "chat: /v1/chat/completions gave one character over and over: '!! !!!'"),
        ({"context": 4096}, "too-long-prompt: a prompt longer than the context: status 200, not 400"),
        ({"exit": 1}, "ServerDiedError: the server ended by itself with status 1"),
        ({"raise": True}, "ServerDiedError: the server ended by itself with status -9"),
    ],
)
def test_a_bad_server_fails_with_its_cause(knobs: dict[str, object], cause: str, tmp_path: Path) -> None:
    result = serve(tmp_path, **knobs)
    assert result.verdict == "failed"
    assert cause in result.evidence


def context(**options: Any) -> Context:  # noqa: ANN401 - any option of a probe
    topologies = {
        "single": {"arguments": ["--device", "npu"], "environment": {"A": "2"}},
        "tp8": {
            "arguments": ["--tp-size", "8"],
            "devices": 8,
            "environment": {},
            "unset": ["HCCL_OP_EXPANSION_MODE"],
        },
    }
    serving = {"environment": {"A": "1", "B": "1"}, "topologies": topologies}
    return Context(
        manifest={"serving": serving}, options=options, scratch=Path("/nowhere"), doing=lambda _text: None
    )


def test_a_topology_of_more_devices_than_the_node_has_is_not_started() -> None:
    told = context(npu=True, topology="tp8", devices=4)
    with pytest.raises(ProbeSkippedError, match=r"^the topology tp8 takes 8 devices, 4 are here: run it on"):
        run(told)


def test_on_a_node_the_flags_are_the_stacks() -> None:
    chosen = topology(context(npu=True, topology="single"))
    assert list(chosen.arguments) == ["--device", "npu"]
    assert chosen.environment == {"A": "2", "B": "1"}
    around = {"HCCL_OP_EXPANSION_MODE": "AIV", "HOME": "/root"}
    assert topology(context(npu=True, topology="tp8")).variables(around) == {
        "HOME": "/root",
        "A": "1",
        "B": "1",
    }


def test_a_variable_that_a_topology_must_not_have_is_not_even_the_stacks() -> None:
    topologies = {"decode": {"arguments": ["--x"], "environment": {}, "unset": ["TASK_QUEUE_ENABLE"]}}
    serving = {"environment": {"TASK_QUEUE_ENABLE": "1"}, "topologies": topologies}
    assert program_of(serving, "decode", {}).variables({"TASK_QUEUE_ENABLE": "2"}) == {}


def test_what_a_topology_leaves_open_is_put_in_or_named() -> None:
    topologies = {
        "two": {"arguments": ["--dist-init-addr", "{dist_init_addr}"], "environment": {"S": "{store}"}}
    }
    serving = {"topologies": topologies}
    values = {"dist_init_addr": "h:5000", "store": "tcp://h:1"}
    found = program_of(serving, "two", values)
    assert (list(found.arguments), found.environment) == (["--dist-init-addr", "h:5000"], {"S": "tcp://h:1"})
    with pytest.raises(TopologyError, match=r"^the serving topology 'two' leaves \{dist_init_addr\} open"):
        program_of(serving, "two", {"store": "tcp://h:1"})


def test_without_an_npu_the_server_is_asked_to_run_on_the_cpu() -> None:
    assert topology(context(npu=False, topology="single")).arguments[:2] == ["--device", "cpu"]


def test_a_topology_that_the_stack_does_not_have_is_refused_with_those_it_has() -> None:
    with pytest.raises(
        ProbeFailedError, match=r"^the stack has no serving topology 'tp4': it has single, tp8$"
    ):
        topology(context(npu=True, topology="tp4"))


def test_a_node_without_standins_is_served_all_the_same(tmp_path: Path) -> None:
    ascend = cann.Ascend(devices=8, toolkit="/usr/local/Ascend", scripts=())
    made = setting(tmp_path, tmp_path / "run", manifest({"sglang": "1"}), ascend=ascend)
    assert planning.obstacle(named("server"), made) == ""


@pytest.mark.parametrize(
    "body", [b'{"error": {"message": "out of device memory"}}', b"[]", b'"x"', b"{", b'{"data": ["x"]}']
)
def test_an_answer_of_200_that_is_none_fails_each_check_by_its_words(body: bytes) -> None:
    class Answering:
        plan = SimpleNamespace(port=1)

        def watched(self, _call: object, _seconds: float) -> Answer:
            return Answer(status=200, body=body)

        def check_alive(self) -> None:
            """It lives."""

    client = server_check.Client(
        server=Answering(),  # type: ignore[arg-type]
        key="k",
        seconds=1,
        model="tiny",
        context_length=64,
        expected=lambda: [1],
    )
    checks = server_check.run_checks(client, {name for name, _ in server_check.CHECKS} - {"still-healthy"})
    assert len(checks) == len(server_check.CHECKS) - 1
    passed = [one.name for one in checks if one.passed]
    assert passed == (["server-info"] if body.startswith(b'{"data') else [])
    assert b"error" not in body or "out of device memory" in checks[2].evidence
