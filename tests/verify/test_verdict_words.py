"""What a verdict tells beside the verdict: the cause, CANN's own words, and what to do next."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from environments import NO_ASCEND, PYTHON, make_environment, manifest, probe, scripted_probe, setting

from ascend_wheelhouse.node.probes import CATALOGUE, named
from ascend_wheelhouse.node.verify import planning, runner, settings
from ascend_wheelhouse.node.verify.report import Result

ADVICE = "look at the plug"


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_environment(tmp_path_factory.mktemp("words") / f"python{PYTHON}")


def judged(environment: Path, folder: Path, body: str) -> Result:
    """Run a probe with this body and an advice, and return its result."""
    node = scripted_probe(folder, "spoken", body)
    return runner.run_probe(
        probe("spoken", advice=ADVICE), setting(environment, folder / "run", manifest({}), node=node)
    )


def test_the_first_cause_of_an_error_is_told(environment: Path, tmp_path: Path) -> None:
    body = "raise RuntimeError('the backend did not load') from ImportError('libhccl.so: no such file')"
    told = judged(environment, tmp_path, body).evidence
    cause = "RuntimeError: the backend did not load; because of ImportError: libhccl.so: no such file"
    assert told == f"{cause}; next: {ADVICE}"


def test_the_words_of_cann_below_an_error_are_told(environment: Path, tmp_path: Path) -> None:
    body = "raise RuntimeError('call failed\\n[ERROR] 2026 (PID:1)\\nEZ9999: Inner Error!\\n  more')"
    assert (
        judged(environment, tmp_path, body).evidence
        == f"RuntimeError: call failed; EZ9999: Inner Error!; next: {ADVICE}"
    )


def test_a_probe_that_crashes_tells_what_to_do_next(environment: Path, tmp_path: Path) -> None:
    told = judged(environment, tmp_path, "import os\nos.abort()")
    assert told.verdict == "crashed"
    assert told.evidence.endswith(f"; next: {ADVICE}")


def test_a_probe_that_passes_gives_no_advice(environment: Path, tmp_path: Path) -> None:
    told = judged(environment, tmp_path, "return Outcome(evidence='well', figures={})")
    assert (told.verdict, told.evidence) == ("passed", "well")


def test_every_probe_that_runs_on_devices_has_an_advice_or_a_reason_not_to_run_on_software() -> None:
    assert [one.name for one in CATALOGUE if one.on_device and not (one.advice or one.hardware)] == []


@pytest.mark.parametrize(
    ("name", "reason"), [("npu-graph", "it does not capture graphs"), ("npu-matmul", "")]
)
def test_on_a_software_npu_a_probe_runs_or_is_skipped_with_its_reason(
    name: str, reason: str, environment: Path, tmp_path: Path
) -> None:
    ascend = replace(NO_ASCEND, devices=2, toolkit="/usr/local/Ascend/cann", software="it says so")
    here = setting(environment, tmp_path / "run", manifest({"torch-npu": "2.13.0"}), ascend=ascend)
    assert planning.obstacle(named(name), here) == (f"not on a software NPU: {reason}" if reason else "")
    strict = replace(here, options=settings.VerifyOptions(require_npu=True))
    assert planning.obstacle(named(name), strict).startswith("a software NPU (it says so) is no NPU")
    assert [one.name for one in planning.plan(strict)] == ["npu-present"]
