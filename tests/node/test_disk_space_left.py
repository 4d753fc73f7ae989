"""A disk that is nearly full: what a run left that was cut short is in nobody's way."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from small_wheelhouse import SmallWheelhouse, run_installer

from ascend_wheelhouse.node import last_line
from ascend_wheelhouse.node.host import doctor, fitness
from ascend_wheelhouse.node.install import command, receipt
from ascend_wheelhouse.node.probes import api, host_settings
from ascend_wheelhouse.node.talk import Talk

UNSIGNED = "--insecure-no-signature"
MIB = 1 << 20


def _free(size: int) -> Callable[[object], SimpleNamespace]:
    return lambda _folder: SimpleNamespace(free=size)


def test_what_a_killed_run_left_counts_as_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = tmp_path / ".work"
    left.mkdir()
    (left / "wheel").write_bytes(b"x" * 100 * MIB)
    (left / "same").hardlink_to(left / "wheel")
    monkeypatch.setattr(shutil, "disk_usage", _free(950 * MIB))
    assert fitness.disk_finding(tmp_path, 1000 * MIB).level == "refuse"
    found = fitness.disk_finding(tmp_path, 1000 * MIB, left=[left, tmp_path / "none"])
    assert (found.level, found.found) == ("ok", "0.9 GiB free, 0.1 GiB of a run that was cut short")
    lacking = fitness.disk_finding(tmp_path, 1100 * MIB, left=[left])
    assert (lacking.level, lacking.wanted) == ("refuse", "1.1 GiB")


@pytest.mark.parametrize("words", [(), ("--dry-run",)], ids=["install", "dry-run"])
def test_what_stands_already_takes_no_space(tmp_path: Path, words: tuple[str, ...]) -> None:
    first, second = (SmallWheelhouse(stack=name).write(tmp_path / name) for name in ("first", "second"))
    prefix = tmp_path / "npu"
    for house in (first, second):
        assert run_installer(house, "--prefix", prefix, UNSIGNED).status == 0
    again = _on_a_full_disk(second, "--prefix", prefix, UNSIGNED, *words)
    assert (again.returncode, "nothing" in again.stdout or "already" in again.stdout) == (0, True), (
        again.stderr
    )
    assert run_installer(second, "--prefix", prefix, "--rollback").status == 0
    forward = _on_a_full_disk(second, "--prefix", prefix, UNSIGNED, *words)
    assert forward.returncode == 0, forward.stderr
    assert prefix.joinpath("current").readlink().name == ("0001" if words else "0002")
    afresh = _on_a_full_disk(second, "--prefix", prefix, UNSIGNED, "--reinstall", *words)
    assert (afresh.returncode, "does not fit the wheelhouse: disk" in afresh.stderr) == (10, True)
    nowhere = _on_a_full_disk(second, "--prefix", tmp_path / "other", UNSIGNED, *words)
    assert (nowhere.returncode, (tmp_path / "other").exists()) == (10, False)


def _on_a_full_disk(house: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    program = "import runpy, shutil, sys, types\n"
    program += "shutil.disk_usage = lambda _folder: types.SimpleNamespace(free=0)\n"
    program += "sys.argv = sys.argv[1:]\nrunpy.run_path(sys.argv[0], run_name='__main__')"
    line = [sys.executable, "-I", "-c", program, house / "install.py", *words]
    return subprocess.run(line, capture_output=True, text=True, check=False)


def _disk_of(findings: list[dict[str, str]]) -> str:
    return next(one["level"] for one in findings if one["name"] == "disk")


def test_the_doctor_looks_at_the_disk_of_the_prefix_and_not_of_the_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A small system disk made it say that the node cannot run what was to stand on a large one."""
    sizes = {Path("/"): 1 << 30, tmp_path: 9 << 30}
    monkeypatch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(free=sizes[Path(place)]))
    for place in ("/tmp", "/root", str(Path.home() / ".cache"), str(Path.home())):  # noqa: S108 - what else is looked at
        sizes.setdefault(Path(place), 9 << 30)
    words: dict[str, Any] = {"contents": None, "fix": False, "talk": Talk(as_json=True)}
    doctor.check(Path("/"), "", **words, prefix=tmp_path / "npu")
    assert _disk_of(json.loads(capsys.readouterr().out)["findings"]) == "ok"
    assert doctor.check(Path("/"), "", **words) == 10
    assert _disk_of(json.loads(capsys.readouterr().out)["findings"]) == "refuse"


def test_what_is_installed_runs_without_the_space_for_another_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The doctor said that the node cannot run it, and its verification failed where there are NPUs."""
    house, prefix = SmallWheelhouse().write(tmp_path / "house"), tmp_path / "npu"
    assert run_installer(house, "--prefix", prefix, UNSIGNED).status == 0
    for place in (
        _on_a_full_disk(prefix / "current", "--doctor", "--json"),
        _on_a_full_disk(house, "--doctor", "--prefix", prefix, "--json"),
    ):
        assert _disk_of(json.loads(place.stdout)["findings"]) == "warn"
    monkeypatch.setattr(shutil, "disk_usage", _free(1 << 30))
    site = receipt.site_packages(prefix / "current")
    options = {"npu": True, "site_packages": str(site), "ascend": str(tmp_path)}
    context = api.Context(manifest={}, options=options, scratch=tmp_path, doing=lambda _text: None)
    assert host_settings.run(context).figures["disk"]["level"] == "warn"


def test_an_install_that_fails_leaves_the_disk_as_it_was(tmp_path: Path) -> None:
    house, prefix = SmallWheelhouse().write(tmp_path / "house"), tmp_path / "npu"
    assert run_installer(house, "--prefix", prefix, UNSIGNED).status == 0
    shutil.rmtree(house / "wheels")
    (house / "wheels").mkdir()
    assert run_installer(house, "--prefix", prefix, UNSIGNED, "--reinstall").status != 0
    assert [one.name for one in (prefix / "envs").iterdir()] == ["0001"]
    assert not (prefix / ".work").exists()


def test_a_command_that_fills_the_disk_is_told_as_that(tmp_path: Path) -> None:
    text = "error: Failed to download `x`\\n  cause: No space left on device (os error 28)"
    words = [sys.executable, "-c", f"import sys; sys.exit('{text}')"]
    with pytest.raises(command.DiskFilledError) as told:
        command.run(words, log=tmp_path / "install.log")
    assert "became full while" in told.value.what
    assert told.value.why.startswith("cause: No space left on device")
    assert told.value.next_step == f"df -h {tmp_path}; df -i {tmp_path}"


def test_a_full_disk_that_the_system_names_no_file_of_is_looked_at_where_a_run_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short, prefix = tmp_path / "short work", tmp_path / "npu"
    monkeypatch.setenv("TMPDIR", str(short))
    for folder in (short, prefix):
        folder.mkdir()
    error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert last_line.unfit(error, "").next_step == f"df -h '{short}'; df -i '{short}'"
    assert (
        last_line.unfit(error, "", prefix).next_step == f"df -h {prefix} '{short}'; df -i {prefix} '{short}'"
    )


def test_the_disk_of_a_file_whose_folder_is_gone_again_is_looked_at_above(tmp_path: Path) -> None:
    error = OSError(errno.EDQUOT, os.strerror(errno.EDQUOT), str(tmp_path / "envs/0002/lib/x.py"))
    assert last_line.unfit(error, "").next_step == f"df -h {tmp_path}; df -i {tmp_path}"


def test_a_check_of_free_space_names_a_folder_that_is_there(tmp_path: Path) -> None:
    assert fitness.disk_finding(tmp_path / "a b", 1).command == f"df -h {tmp_path}"
    (tmp_path / "a b").mkdir()
    assert fitness.disk_finding(tmp_path / "a b", 1).command == f"df -h '{tmp_path}/a b'"


def test_a_node_without_a_folder_for_temporary_files_is_told_as_that(tmp_path: Path) -> None:
    house, prefix = SmallWheelhouse().write(tmp_path / "house"), tmp_path / "npu"
    assert run_installer(house, "--prefix", prefix, UNSIGNED).status == 0
    program = (
        "import runpy, sys, tempfile; sys.argv[:1] = []; tempfile._candidate_tempdir_list = lambda: ['/proc']; "
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    words = [
        sys.executable,
        "-I",
        "-c",
        program,
        str(house / "install.py"),
        "--json",
        "--prefix",
        str(prefix),
    ]
    done = subprocess.run(
        [*words, "--verify", "--only", "versions"], capture_output=True, text=True, check=False
    )
    told = json.loads(done.stdout)
    assert (done.returncode, told["next"]) == (10, "export TMPDIR=/FOLDER; then the same command"), (
        done.stderr
    )
    assert told["what"] == "No usable temporary directory found in ['/proc']."
