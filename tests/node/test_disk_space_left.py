"""A disk that is nearly full: what a run left that was cut short is in nobody's way."""

from __future__ import annotations

import errno
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from small_wheelhouse import SmallWheelhouse, run_installer

from ascend_wheelhouse.node import last_line
from ascend_wheelhouse.node.host import fitness
from ascend_wheelhouse.node.install import command

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


def test_a_full_disk_that_the_system_names_no_file_of_is_looked_at_where_short_work_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", f"{tmp_path}/short work")
    error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert last_line.unfit(error, "").next_step == f"df -h '{tmp_path}/short work'"
    assert fitness.disk_finding(tmp_path / "a b", 1).command == f"df -h {tmp_path}"
    (tmp_path / "a b").mkdir()
    assert fitness.disk_finding(tmp_path / "a b", 1).command == f"df -h '{tmp_path}/a b'"
