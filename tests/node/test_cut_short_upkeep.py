"""A rollback or an uninstall that is cut short says what stands, and proposes nothing that would go too far."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from small_wheelhouse import SmallWheelhouse, package, run_installer

from ascend_wheelhouse.node import durable
from ascend_wheelhouse.node.install import program, trash


@pytest.fixture
def twice(tmp_path: Path) -> Path:
    """A prefix in which two wheelhouses were installed, one after the other."""
    folder = tmp_path / "npu"
    for number in (1, 2):
        house = SmallWheelhouse(wheels=[package("alpha", f"{number}.0")]).write(tmp_path / f"house{number}")
        assert run_installer(house, "--prefix", folder, "--insecure-no-signature").status == 0
    deadline = time.monotonic() + 30
    while list(folder.glob(f"{trash.NAMED}*")) and time.monotonic() < deadline:
        time.sleep(0.05)  # by the process that outlives the install
    return folder


def _used_up(path: object, *_rest: object) -> None:
    raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT), str(path))


def _terminated(*_words: object, **_named: object) -> None:
    raise KeyboardInterrupt(signal.SIGTERM)


def _upkeep(prefix: Path, action: str) -> int:
    return program.main(["--prefix", str(prefix), action])


def _in_use(prefix: Path) -> str:
    return (prefix / "current").resolve().name


def test_a_rollback_that_a_quota_ends_names_the_environment_that_stays_in_use(
    twice: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Path, "symlink_to", _used_up)
    assert _upkeep(twice, "--rollback") == 10
    said = capsys.readouterr().err
    assert f"{twice}/envs/0002 is in use, as before." in said
    assert f"df -h {twice}" in said
    assert _in_use(twice) == "0002"


def test_a_rollback_that_is_stopped_after_its_switch_does_not_propose_to_go_back_once_more(
    twice: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(durable, "flush_names", _terminated)
    assert program.main(["--prefix", str(twice), "--rollback", "--json"]) == 128 + signal.SIGTERM
    told = capsys.readouterr()
    assert f"The rollback is done: {twice}/envs/0001 is in use." in told.err
    assert ("the same command again" in told.out, f"--prefix {twice} --check" in told.out) == (False, True)
    assert _in_use(twice) == "0001"


def test_a_rollback_is_done_though_nothing_can_be_started_to_remove_what_was_thrown_away(
    twice: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Refused(subprocess.Popen[str]):
        def _execute_child(self, args: Sequence[str], *rest: object) -> None:
            if args[0] == "sh":
                raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
            super()._execute_child(args, *rest)  # type: ignore[misc]

    (twice / f"{trash.NAMED}0000-1").mkdir()
    monkeypatch.setattr(subprocess, "Popen", Refused)
    assert _upkeep(twice, "--rollback") == 0
    assert _in_use(twice) == "0001"


@pytest.mark.parametrize(
    ("name", "told"), [("current", "0002 is in use, as before."), ("envs", "still there")]
)
def test_an_uninstall_that_is_cut_short_says_what_is_still_there(
    twice: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, told: str
) -> None:
    kept = Path.unlink

    def failing(path: Path, *, missing_ok: bool = False) -> None:
        if path == twice / "current" and name == "current":
            _used_up(path)
        kept(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", failing)
    if name == "envs":
        monkeypatch.setattr(
            trash, "throw_away", lambda path, _root: _used_up(path) if path.is_dir() else None
        )
    assert _upkeep(twice, "--uninstall") == 10
    said = " ".join(capsys.readouterr().err.split())
    assert told in said
    assert ("Nothing is in use;" in said) == (name == "envs")
    assert "A part of it may be done" not in said
