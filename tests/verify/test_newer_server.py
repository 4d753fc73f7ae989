"""SGLang 0.5.10.post1 on the CPU of this machine, from its committed lock: `nox -s servers`."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import pytest
from real_servers import ROOT, made, unknown_words, verified, words_of

from ascend_wheelhouse.cells.stack import load_catalogue
from ascend_wheelhouse.cells.target import NPUS, Target
from ascend_wheelhouse.node.verify.report import Report, read_report

pytestmark = [
    pytest.mark.slow,
    pytest.mark.network,
    pytest.mark.skipif("WHEELHOUSE_LONG_TESTS" not in os.environ, reason="minutes: nox -s servers"),
    pytest.mark.skipif(platform.machine() != "x86_64", reason="serves on the CPU of an x86_64 machine"),
]
PROBES = ("requirements", "serving-imports", "server", "server-pair")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that a verification of the wheelhouse kept."""
    words = ["--torch", "2.13.0", "--platform", "x86_64", "--sglang", "0.5.10.post1"]
    wheelhouse = made(words, tmp_path_factory.mktemp("wheelhouse"))
    keep = tmp_path_factory.mktemp("verified") / "kept"
    verified(wheelhouse, keep, *(word for name in PROBES for word in ("--only", name)))
    return keep


@pytest.fixture(scope="module")
def report(served: Path) -> Report:
    """What that verification found."""
    return read_report(served.parent / "report" / "report.json")


def test_what_it_requires_and_imports_is_there(report: Report) -> None:
    found = {one.probe: one for one in report.results}
    assert {
        name: (found[name].verdict, found[name].evidence) for name in PROBES if not found[name].good
    } == {}
    assert [found[name].verdict for name in PROBES] == ["passed"] * len(PROBES)


def test_the_newer_server_answers_alone_and_as_a_pair_behind_the_router(report: Report) -> None:
    found = {one.probe: one for one in report.results}
    assert [found[name].verdict for name in ("server", "server-pair")] == ["passed", "passed"]
    assert found["server"].figures["as-reference"]["compared"] == 16
    assert found["server-pair"].figures["as-reference"]["compared"] == 16


def test_its_parser_takes_every_word_of_every_topology_and_calls_none_deprecated(served: Path) -> None:
    serving = load_catalogue(ROOT / "recipes").serving["sglang-0.5.10"]
    words = {
        f"{npu} {name}": line
        for npu in NPUS
        for name, line in words_of(serving.of(Target.named("aarch64", npu))).items()
    }
    assert not any("--prefill-round-robin-balance" in line for line in words.values())
    words["a word that it does not have"] = ["--no-such-word", "2"]
    environment = {
        **os.environ,
        "LD_LIBRARY_PATH": str(served / "stubs"),
        "PYTHONPATH": str(ROOT / "tests/standins"),
    }
    assert unknown_words(served, words, environment) == {
        "a word that it does not have": ["--no-such-word", "2"]
    }
