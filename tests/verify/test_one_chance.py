"""A verification on a node that cannot be repeated at will: it can pass, it says why not, and it loses nothing."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from environments import manifest, setting, tiny_wheelhouse
from test_runner import EVERYTHING

from ascend_wheelhouse.node.host import cann
from ascend_wheelhouse.node.probes import CATALOGUE, deep_ep, requirements
from ascend_wheelhouse.node.probes.api import Context, ProbeFailedError
from ascend_wheelhouse.node.verify import planning, runner, settings
from ascend_wheelhouse.node.verify.report import Result, read_report
from ascend_wheelhouse.verify import collect
from ascend_wheelhouse.verify.program import main

HERE = platform.machine()
SERVER = next(probe for probe in CATALOGUE if probe.name == "server")


def dist(folder: Path, name: str, version: str, *requires: str) -> None:
    place = folder / f"{name}-{version}.dist-info"
    place.mkdir(parents=True)
    lines = [
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        *(f"Requires-Dist: {one}\n" for one in requires),
    ]
    (place / "METADATA").write_text("".join(lines))


def asked(folder: Path, monkeypatch: pytest.MonkeyPatch, *known: str) -> str:
    """Ask the probe in an environment that holds no pip, as `install.py` makes them."""
    monkeypatch.setattr(requirements, "_pip", lambda _context: [sys.executable, "-S", "-I", "-m", "pip"])
    options = {"site_packages": str(folder), "known": {f"requirements/{name}": "why" for name in known}}
    context = Context(manifest={}, options=options, scratch=folder, doing=print)
    return requirements.run(context).evidence


def test_requirements_are_checked_where_the_environment_holds_no_pip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dist(
        tmp_path, "alpha", "1.0", "beta>=1", 'windows-only; sys_platform == "win32"', 'gamma; extra == "more"'
    )
    dist(tmp_path, "beta", "2.0rc1")
    assert (
        asked(tmp_path, monkeypatch)
        == "every declared requirement is met (read from the metadata, without pip)"
    )
    dist(tmp_path, "Triton_Ascend", "3.2.2", "triton==3.5.0", "beta<2")
    with pytest.raises(ProbeFailedError) as caught:
        asked(tmp_path, monkeypatch)
    assert "triton-ascend 3.2.2 requires triton, which is not installed." in str(caught.value)
    assert "triton-ascend 3.2.2 has requirement beta<2, but you have beta 2.0rc1." in str(caught.value)
    assert "2 announced exceptions" in asked(tmp_path, monkeypatch, "triton-ascend")


def test_what_was_skipped_where_npus_are_required_is_told_as_the_reason(tmp_path: Path) -> None:
    made = setting(
        tmp_path / "e", tmp_path / "run", manifest(EVERYTHING), settings.VerifyOptions(require_npu=True)
    )
    skipped = Result(probe="imports", verdict="skipped", seconds=0, evidence="why", markers=("npu",))
    report = runner.make_report(made, [skipped])
    assert report.headline.endswith("1 skipped (nothing may be skipped where NPUs are required)")
    passed = runner.make_report(made, [replace(skipped, verdict="passed")])
    assert "nothing may be skipped" not in passed.headline


def test_a_server_with_real_weights_gets_the_time_to_load_them(tmp_path: Path) -> None:
    tiny = setting(tmp_path / "e", tmp_path / "run", manifest(EVERYTHING))
    loading = replace(tiny, options=settings.VerifyOptions(model="/weights"))
    assert runner.seconds_of(SERVER, tiny) == SERVER.seconds
    assert runner.seconds_of(SERVER, loading) >= SERVER.seconds + 3600
    assert runner.memory_of(SERVER, loading) >= os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def test_a_topology_that_the_wheelhouse_has_not_is_refused_and_none_is_named_that_did_not_start(
    tmp_path: Path,
) -> None:
    told = {**manifest(EVERYTHING), "serving": {"topologies": {"single": {}, "tp16-deepep": {}}}}
    made = setting(tmp_path / "e", tmp_path / "run", told, settings.VerifyOptions(topology="nosuch"))
    with pytest.raises(planning.UnknownTopologyError, match=r"Its serving file knows single, tp16-deepep"):
        planning.required(made)
    named = replace(made, options=settings.VerifyOptions(topology="tp16-deepep"))
    assert planning.required(named)
    assert runner.make_report(named, []).conditions["topology"] == "cpu"
    on_node = replace(named, ascend=cann.Ascend(devices=16, toolkit="", scripts=()))
    assert runner.make_report(on_node, []).conditions["topology"] == "tp16-deepep"


def test_a_probe_that_was_named_and_is_not_for_this_wheelhouse_is_refused(tmp_path: Path) -> None:
    made = setting(
        tmp_path / "e", tmp_path / "run", manifest({}), settings.VerifyOptions(only=("imports", "deep-ep"))
    )
    with pytest.raises(planning.NoProbeError, match=r"No probe runs here for --only deep-ep\."):
        planning.required(made)


@pytest.mark.parametrize(("npu", "nodes", "told"), [("910b", 2, True), ("910b", 1, False), ("a3", 2, False)])
def test_deep_ep_between_nodes_of_a2_has_hccl_go_by_pcie_within_each(
    npu: str, nodes: int, *, told: bool
) -> None:
    found = deep_ep.hccl_settings(npu, nodes)
    assert found["HCCL_BUFFSIZE"] == "1024"
    assert (found.get("HCCL_INTRA_PCIE_ENABLE"), found.get("HCCL_INTRA_ROCE_ENABLE")) == (
        ("1", "0") if told else (None, None)
    )


def test_a_place_for_reports_that_cannot_be_written_is_told_before_anything_is_installed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    wheelhouse = tiny_wheelhouse(tmp_path / "w", {"beta": {"beta.py": ""}}, HERE)
    (tmp_path / "taken").touch()
    assert main(["--wheelhouse", str(wheelhouse), "--report", str(tmp_path / "taken")]) == 10
    heard = capfd.readouterr()
    assert "sealed install" not in heard.out
    assert str(tmp_path / "taken") in heard.err


def test_options_of_pytest_in_the_environment_do_not_reach_the_verification(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheelhouse = tiny_wheelhouse(tmp_path / "w", {"beta": {"beta.py": ""}}, HERE)
    monkeypatch.setenv("PYTEST_ADDOPTS", "--collect-only")
    words = ["--wheelhouse", str(wheelhouse), "--report", str(tmp_path / "r"), "--only", "versions"]
    assert main(words) == 0
    assert [one.probe for one in read_report(tmp_path / "r/report.json").results] == [
        "sealed-install",
        "versions",
    ]


def test_a_pytest_that_cannot_write_its_report_fails_the_verification(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    wheelhouse = tiny_wheelhouse(tmp_path / "w", {"beta": {"beta.py": ""}}, HERE)
    (tmp_path / "r/junit.xml").mkdir(parents=True)
    words = ["--wheelhouse", str(wheelhouse), "--report", str(tmp_path / "r"), "--only", "versions"]
    assert main(words) == collect.PytestEndedError.exit_code == 9
    assert "pytest ended with status 4" in capfd.readouterr().err


def test_a_verification_that_is_asked_to_end_ends_and_writes_no_report(tmp_path: Path) -> None:
    slow = {"beta": {"beta.py": "import time\ntime.sleep(60)\n"}}
    wheelhouse = tiny_wheelhouse(tmp_path / "w", slow, HERE)
    words = [
        "--wheelhouse",
        str(wheelhouse),
        "--report",
        str(tmp_path / "r"),
        "--only",
        "imports",
        "--only",
        "files",
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "ascend_wheelhouse.verify.program", *words],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    with process.stdout:
        for line in process.stdout:
            if "collected" in line:
                break
        time.sleep(2)
        process.send_signal(signal.SIGTERM)
        said = process.stdout.read()
    assert process.wait(60) == 128 + signal.SIGTERM
    assert "partial" not in said
    assert not (tmp_path / "r/report.json").exists()
