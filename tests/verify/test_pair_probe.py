"""The probe of a prefill and decode pair, over packages that are called sglang and sglang_router and do as told."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from environments import NO_ASCEND, install, make_environment, manifest, setting

from ascend_wheelhouse.cells.stack import load_catalogue
from ascend_wheelhouse.cells.target import Target
from ascend_wheelhouse.node.host import cann
from ascend_wheelhouse.node.probes import named
from ascend_wheelhouse.node.verify import runner, settings
from ascend_wheelhouse.node.verify.report import Result

ROOT = Path(__file__).parents[2]
STAND_IN = Path(__file__).with_name("stand_in_server.py").read_text(encoding="utf-8")
LAUNCHER = """
import json, os, runpy, sys
from pathlib import Path
here = Path(__file__).parent
told = json.loads((here / "knobs.json").read_text())
part = next((word for word in ("prefill", "decode") if word in sys.argv), "router")
seen = {"words": sys.argv[1:], "environment": dict(os.environ)}
Path(told["record"], part).write_text(json.dumps(seen))
sys.argv = ["server", json.dumps({**told["all"], **told.get(part, {})}), sys.argv[sys.argv.index("--port") + 1]]
runpy.run_path(str(here / "stand_in.py"), run_name="__main__")
"""
SERVING = load_catalogue(ROOT / "recipes").serving["sglang-0.5.6"].of(Target.named("aarch64", "a3"))


def serve(
    tmp_path: Path, knobs: Mapping[str, Any] | None = None, *, probe: str = "server-pair", devices: int = 0
) -> Result:
    model, record = tmp_path / "model", tmp_path / "record"
    model.mkdir()
    record.mkdir()
    (model / "config.json").write_text('{"max_position_embeddings": 512}')
    environment = make_environment(tmp_path / "environment")
    key = "verify-key" if probe == "server-graph" else ""
    told = {"record": str(record), "all": {"model": str(model), "key": key}, **(knobs or {})}
    files: dict[str, str | bytes] = {
        "stand_in.py": STAND_IN,
        "knobs.json": json.dumps(told),
        "__init__.py": "",
    }
    for package, launcher in (("sglang", "launch_server.py"), ("sglang_router", "launch_router.py")):
        held = {f"{package}/{name}": text for name, text in {**files, launcher: LAUNCHER}.items()}
        install(environment, package.replace("_", "-"), "1", held)
    ascend = cann.Ascend(devices=devices, toolkit=str(tmp_path), scripts=()) if devices else NO_ASCEND
    made = setting(
        environment,
        tmp_path / "run",
        manifest({"sglang": "1", "sglang-router": "1"}, serving=SERVING),
        settings.VerifyOptions(model=str(model), standins=str(tmp_path)),
        ascend=ascend,
    )
    return runner.run_probe(named(probe), made)


def started(tmp_path: Path, part: str) -> tuple[list[str], dict[str, str]]:
    """Return the words and the environment that a part was started with."""
    found = json.loads((tmp_path / "record" / part).read_text())
    return found["words"], found["environment"]


def value(words: list[str], name: str) -> str:
    return words[words.index(name) + 1]


def test_a_good_pair_passes_and_all_three_are_stopped(tmp_path: Path) -> None:
    result = serve(tmp_path)
    assert (result.verdict, result.detail) == ("passed", "")
    assert result.evidence.startswith(
        "5 checks pass (no reference for these weights) through router, prefill and "
    )
    (prefill, at_prefill), (decode, at_decode), (router, _) = (
        started(tmp_path, part) for part in ("prefill", "decode", "router")
    )
    assert at_prefill["ASCEND_MF_STORE_URL"] == at_decode["ASCEND_MF_STORE_URL"]
    assert at_prefill["PYTHONPATH"].startswith(f"{tmp_path}/transfer:")
    assert value(router, "--decode") == f"http://127.0.0.1:{value(decode, '--port')}"
    address, bootstrap = router[router.index("--prefill") + 1 : router.index("--prefill") + 3]
    assert address == f"http://127.0.0.1:{value(prefill, '--port')}"
    assert bootstrap == value(prefill, "--disaggregation-bootstrap-port")


def test_on_a_node_the_servers_take_the_stacks_words_and_devices_of_their_own(tmp_path: Path) -> None:
    result = serve(tmp_path, devices=2)
    assert result.verdict == "passed", result
    (prefill, at_prefill), (decode, _) = started(tmp_path, "prefill"), started(tmp_path, "decode")
    assert (value(prefill, "--base-gpu-id"), value(decode, "--base-gpu-id")) == ("0", "1")
    assert value(prefill, "--device") == "npu"
    assert "PYTHONPATH" not in at_prefill


def test_one_device_is_not_enough_for_a_pair(tmp_path: Path) -> None:
    result = serve(tmp_path, devices=1)
    assert (result.verdict, result.evidence) == (
        "skipped",
        "the pair takes 1 and 1 devices: run it on a node with more",
    )


@pytest.mark.parametrize(
    ("knobs", "cause"),
    [
        ({"prefill": {"exit": 1}}, "ServerDiedError: the server ended by itself with status 1"),
        ({"decode": {"raise": True}}, "ServerDiedError: the server ended by itself with status -9"),
        ({"router": {"drift": True}}, "greedy tokens differ between two requests"),
        ({"router": {"die_after": 2}}, "the server ended by itself with status -9"),
        (
            {"decode": {"on_term": "orphans", "children": 2}},
            "LeftBehindError: still alive 5 s after the stop",
        ),
    ],
)
def test_what_one_of_the_three_does_wrong_is_told(knobs: dict[str, Any], cause: str, tmp_path: Path) -> None:
    result = serve(tmp_path, knobs)
    assert result.verdict == "failed"
    assert cause in result.evidence
    assert "; next: memfabric says whether devices reach each other" in result.evidence


def test_a_server_with_graphs_passes_and_says_so(tmp_path: Path) -> None:
    result = serve(tmp_path, {"router": {"graphs": True}}, probe="server-graph", devices=1)
    assert result.verdict == "passed", result
    assert result.evidence.startswith("with graphs: healthy after ")
    assert "--cuda-graph-bs" in started(tmp_path, "router")[0]


def test_a_server_that_serves_without_graphs_does_not_pass_as_one_with_graphs(tmp_path: Path) -> None:
    result = serve(tmp_path, probe="server-graph", devices=1)
    assert result.verdict == "failed"
    assert result.evidence.startswith("the server answers, and without graphs: it says disable_cuda_graph")
