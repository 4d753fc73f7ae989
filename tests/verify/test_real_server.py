"""The real SGLang server, on the CPU, from a wheelhouse that this tool makes for x86_64 here and now.

One run of the whole command proves the happy path, the key and the stop; the environment that it keeps then shows how
the server fails.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import socket
import subprocess
from pathlib import Path

import pytest
from environments import manifest, setting
from real_servers import made, unknown_words, verified, words_of

from ascend_wheelhouse.cells.stack import load_catalogue
from ascend_wheelhouse.cells.target import Npu, Target
from ascend_wheelhouse.node.probes import named
from ascend_wheelhouse.node.probes.server import ON_CPU
from ascend_wheelhouse.node.serving import tiny_model
from ascend_wheelhouse.node.serving.server_process import (
    PortTakenError,
    Server,
    ServerDiedError,
    ServerPlan,
    free_port,
)
from ascend_wheelhouse.node.verify import runner, sealed, settings
from ascend_wheelhouse.node.verify.report import Report, read_report

ROOT = Path(__file__).parents[2]
WITHOUT = (
    () if "WHEELHOUSE_LONG_TESTS" in os.environ else ("--without", "server-pair", "--without", "imports")
)
"""These two take minutes more: `nox -s servers`."""
long = pytest.mark.skipif(bool(WITHOUT), reason="minutes: nox -s servers")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.network,
    pytest.mark.skipif(platform.machine() != "x86_64", reason="serves on the CPU of an x86_64 machine"),
]


@pytest.fixture(scope="module")
def wheelhouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheelhouse for x86_64 from its committed lock."""
    return made(["--torch", "2.13.0", "--platform", "x86_64"], tmp_path_factory.mktemp("wheelhouse"))


@pytest.fixture(scope="module")
def served(wheelhouse: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that a verification of the wheelhouse kept."""
    keep = tmp_path_factory.mktemp("verified") / "kept"
    code = verified(wheelhouse, keep, *WITHOUT)
    (keep / "exit").write_text(str(code))
    return keep


@pytest.fixture(scope="module")
def report(served: Path) -> Report:
    """What that verification found."""
    return read_report(served.parent / "report" / "report.json")


def test_everything_that_this_machine_can_prove_is_proven(served: Path, report: Report) -> None:
    bad = {one.probe: (one.verdict, one.evidence, one.detail) for one in report.results if not one.good}
    assert bad == {}
    assert (served / "exit").read_text() == "0"


def test_the_real_server_answered_and_left_nothing(report: Report) -> None:
    server = next(one for one in report.results if one.probe == "server")
    assert server.verdict == "passed"
    assert server.figures["as-reference"]["compared"] == 16
    assert server.figures["api-key"] == {
        "passed": True,
        "asked": True,
        "seconds": server.figures["api-key"]["seconds"],
    }
    assert server.figures["stop"]["status"] in {0, -9, -15}


@long
def test_a_request_went_through_router_prefill_and_decode(report: Report) -> None:
    pair = next(one for one in report.results if one.probe == "server-pair")
    assert (pair.verdict, pair.figures["as-reference"]["compared"]) == ("passed", 16)


@long
def test_a_transfer_that_drops_the_cache_is_seen_in_the_tokens(served: Path, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "tests/standins", tmp_path / "standins")
    (tmp_path / "standins/transfer/mf_adapter/fault").write_text("drop", encoding="ascii")
    made = setting(
        served / "environment",
        tmp_path / "run",
        manifest({"torch-npu": "1", "sglang": "1", "sglang-router": "1"}),
        settings.VerifyOptions(stubs=str(served / "stubs"), standins=str(tmp_path / "standins")),
    )
    result = runner.run_probe(named("server-pair"), made)
    assert result.verdict == "failed"
    assert re.match(r"as-reference: tokens \[.*\] differ from the reference's \[", result.evidence)


@pytest.mark.parametrize("npu", ["a3", "910b"])
def test_sglangs_own_parser_takes_every_word_of_every_topology(
    npu: Npu, served: Path, tmp_path: Path
) -> None:
    table = load_catalogue(ROOT / "recipes").serving["sglang-0.5.6"].of(Target.named("aarch64", npu))
    words = {**words_of(table), "a word that it does not have": ["--attn-cp-size", "2"]}
    environment = {**plan(served, tmp_path, "x", 1).environment, "TORCH_DEVICE_BACKEND_AUTOLOAD": "0"}
    told = unknown_words(served, words, environment)
    assert told == {"a word that it does not have": ["--attn-cp-size", "2"]}


def test_the_report_says_how_it_was_possible(report: Report) -> None:
    assert {name for name in ("sealed", "standins", "stubs") if report.conditions[name]} >= {
        "standins",
        "stubs",
    }
    assert report.conditions["sealed"] == sealed.can_seal()


def plan(served: Path, folder: Path, model: str, port: int) -> ServerPlan:
    (folder / "home").mkdir()
    words = [str(served / "environment/bin/python"), "-s", "-P", "-m", "sglang.launch_server"]
    return ServerPlan(
        words=[
            *words,
            "--model-path",
            model,
            "--host",
            "127.0.0.1",
            "--port",
            str(port),
            *ON_CPU["arguments"],
        ],
        environment={
            **sealed.base_environment(folder / "home", Path(os.environ.get("TMPDIR", "/tmp"))),  # noqa: S108 - sockets need a short path
            **ON_CPU["environment"],
            "LD_LIBRARY_PATH": str(served / "stubs"),
            "PYTHONPATH": str(ROOT / "tests/standins"),
        },
        port=port,
        folder=folder,
        healthy_seconds=300,
    )


def test_a_missing_model_ends_the_start_with_its_cause(served: Path, tmp_path: Path) -> None:
    with (
        Server(plan(served, tmp_path, "/no/such/model", free_port())) as server,
        pytest.raises(ServerDiedError, match=r"^the server ended by itself with status 1; "),
    ):
        server.wait_healthy()
    assert server.family.alive() == []


@long
def test_a_port_taken_after_our_look_is_seen_though_the_server_hangs(served: Path, tmp_path: Path) -> None:
    made = plan(served, tmp_path, str(_model(served)), free_port())
    with (
        Server(made) as server,
        socket.create_server(("127.0.0.1", made.port)),
        pytest.raises(PortTakenError, match=r"found port \d+ taken, and hangs"),
    ):
        server.wait_healthy()
    assert server.family.alive() == []


def _model(served: Path) -> Path:
    """Make the tiny model with the environment's own libraries."""
    folder = served / "tiny"
    if not (folder / "model.safetensors").is_file():
        python = served / "environment/bin/python"
        environ = {"PATH": os.environ["PATH"], "TORCH_DEVICE_BACKEND_AUTOLOAD": "0"}
        subprocess.run([python, "-I", tiny_model.__file__, "make", folder], env=environ, check=True)
    return folder
