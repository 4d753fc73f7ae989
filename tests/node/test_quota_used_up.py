"""A user whose quota is used up: what frees space still works, and what cannot be written is told as that."""

from __future__ import annotations

import errno
import os
import subprocess
import tempfile
from pathlib import Path

import pytest
from small_wheelhouse import SmallWheelhouse, run_installer

from ascend_wheelhouse.node.install import trash
from ascend_wheelhouse.node.verify import place, program
from ascend_wheelhouse.node.verify.report import Report


def _used_up(*_told: object, **_named: object) -> None:
    raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))


def test_what_takes_no_other_name_is_removed_where_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = tmp_path / "envs/0001"
    env.mkdir(parents=True)
    (env / "receipt.json").touch()
    monkeypatch.setattr(Path, "rename", _used_up)
    trash.throw_away(env.parent, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_can_be_neither_renamed_nor_removed_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "envs").mkdir()
    monkeypatch.setattr(Path, "rename", _used_up)
    monkeypatch.setattr(subprocess, "run", lambda *_words, **_named: None)
    with pytest.raises(OSError, match="quota"):
        trash.throw_away(tmp_path / "envs", tmp_path)


def test_no_space_for_a_report_is_not_told_as_another_users_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "NamedTemporaryFile", _used_up)
    with pytest.raises(place.ReportPlaceError, match="quota") as told:
        place.require_writable(tmp_path)
    assert ("quota did" in told.value.why, "owner" in told.value.why) == (True, False)
    assert "another disk" in told.value.next_step


def test_what_was_found_is_told_where_its_report_cannot_be_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    house, prefix = SmallWheelhouse().write(tmp_path / "house"), tmp_path / "npu"
    assert run_installer(house, "--prefix", prefix, "--insecure-no-signature").status == 0
    monkeypatch.setattr(Report, "write", _used_up)
    manifest = prefix / "current/manifest.json"
    words = ["--prefix", str(prefix), "--manifest", str(manifest), "--only", "imports", "--no-require-npu"]
    assert program.main(words) == 10
    said = capsys.readouterr()
    assert "imports  passed" in said.err
    assert "0001.verify.json cannot be written" in said.err
    assert said.out == ""
