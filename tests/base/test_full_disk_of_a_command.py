"""A command that ran out of space is told as a full disk, whatever it was run for."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from ascend_wheelhouse.base import process
from ascend_wheelhouse.base.errors import FullDiskError, file_trouble
from ascend_wheelhouse.store import git_source


def test_a_command_whose_disk_is_full_ends_as_a_full_disk() -> None:
    with pytest.raises(OSError, match="sh says: cat: ") as caught:
        process.run(["sh", "-c", "cat /etc/passwd > /dev/full"])
    assert caught.value.errno == errno.ENOSPC
    told = file_trouble(caught.value)
    assert isinstance(told, FullDiskError)
    assert "A disk that this command writes to is full: sh says: cat: " in told.what
    assert "df -h" in told.next_step


def _git(folder: Path, monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    (program := folder / "git").write_text(f"#!/bin/sh\necho '{line}' >&2\nexit 128\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


def test_git_that_cannot_write_blames_no_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _git(tmp_path, monkeypatch, "fatal: write error: No space left on device")
    with pytest.raises(OSError, match="git says: fatal: write error: No space left on device") as caught:
        git_source.git("fetch", at=tmp_path)
    assert caught.value.errno == errno.ENOSPC


def test_a_full_disk_of_a_server_is_none_of_this_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _git(tmp_path, monkeypatch, "remote: fatal: write error: No space left on device")
    with pytest.raises(git_source.GitFailedError):
        git_source.git("fetch", at=tmp_path)
