"""A report is of the run that was started last, or there is none."""

from __future__ import annotations

import errno
import os
import platform
import signal
import sys
import tempfile
from pathlib import Path

import pytest
from environments import tiny_wheelhouse

from ascend_wheelhouse.node.host import pythons
from ascend_wheelhouse.node.verify import program, runner
from ascend_wheelhouse.verify import collect, prepare
from ascend_wheelhouse.verify.program import main

NAMES = ("report.json", "junit.xml", "report.html")


@pytest.fixture
def earlier(tmp_path: Path) -> Path:
    """A folder with the reports of last week."""
    folder = tmp_path / "reports"
    folder.mkdir()
    for name in NAMES:
        (folder / name).write_text("last week")
    return folder


def stopped(*_words: object, **_named: object) -> None:
    raise KeyboardInterrupt(signal.SIGTERM)


def on_a_node(folder: Path, reports: Path, *words: str) -> int:
    (folder / f"environment/lib/{pythons.PROGRAM}/site-packages").mkdir(parents=True)
    (folder / "environment/bin").mkdir()
    (folder / "environment/bin/python").symlink_to(sys.executable)
    manifest = tiny_wheelhouse(folder / "wheelhouse", {}, platform.machine()) / "manifest.json"
    place = [f"--environment={folder / 'environment'}", f"--manifest={manifest}", f"--report={reports}"]
    return program.main([*place, *words])


def test_a_run_on_a_node_that_is_cut_short_leaves_no_report(
    tmp_path: Path, earlier: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "run_probe", stopped)
    assert on_a_node(tmp_path, earlier, "--only=files") == 143
    assert not (earlier / "report.json").exists()


def test_a_run_that_is_refused_leaves_the_report_of_the_one_before(
    tmp_path: Path, earlier: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert on_a_node(tmp_path, earlier, "--only=server-pair") == 2
    assert "No probe runs here" in capfd.readouterr().err
    assert (earlier / "report.json").read_text() == "last week"


def test_a_verification_of_a_wheelhouse_that_is_cut_short_leaves_no_report(
    tmp_path: Path, earlier: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheelhouse = tiny_wheelhouse(tmp_path / "wheelhouse", {}, platform.machine())
    monkeypatch.setattr(prepare, "_install_and_run", stopped)
    monkeypatch.setattr(collect, "require_chosen", lambda _setting, _words: None)
    with pytest.raises(KeyboardInterrupt):
        main([f"--wheelhouse={wheelhouse}", f"--report={earlier}"])
    assert not list(earlier.iterdir())


def test_a_place_that_takes_no_report_is_told_with_the_option_that_names_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Who verifies the environment of another user was told of a file with a random name, and to "fix that"."""

    def refused(**_named: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(tmp_path / ".report-abc"))

    monkeypatch.setattr(tempfile, "NamedTemporaryFile", refused)
    assert on_a_node(tmp_path, tmp_path / "reports", "--only=files") == 10
    told = capfd.readouterr().err
    assert f"No report can be written to {tmp_path / 'reports'}: Permission denied." in told
    assert "--report" in told
