"""Folders for short work: where they are made, and who removes them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ascend_wheelhouse.base import scratch as module
from ascend_wheelhouse.base.scratch import memory, scratch, sweep

HOLD = "import sys\nfrom pathlib import Path\nfrom ascend_wheelhouse.base.scratch import scratch\n"


def hold(place: Path) -> tuple[subprocess.Popen[str], Path]:
    """Start a process that holds a folder in `place`, and return both."""
    code = f"{HOLD}with scratch(Path(sys.argv[1])) as folder:\n print(folder, flush=True)\n sys.stdin.read()"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    process = subprocess.Popen([sys.executable, "-c", code, str(place)], text=True, **pipes)  # type: ignore[call-overload]
    return process, Path(process.stdout.readline().strip()).parent


def age(folder: Path) -> None:
    hour_ago = time.time() - 3600
    os.utime(folder, (hour_ago, hour_ago))


def test_a_folder_is_empty_and_gone_after_its_block(tmp_path: Path) -> None:
    with scratch(tmp_path) as folder:
        assert list(folder.iterdir()) == []
        (folder / "file").touch()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_run_left_is_removed_and_what_is_in_use_stays(tmp_path: Path) -> None:
    killed, left = hold(tmp_path)
    working, held = hold(tmp_path)
    with killed, working:
        killed.kill()
        killed.wait()
        for folder in (left, held):
            age(folder)
        sweep(tmp_path)
        assert not left.exists()
        assert held.exists()
    assert not held.exists()


def test_a_young_folder_is_left_alone_for_its_maker_may_not_have_locked_it_yet(tmp_path: Path) -> None:
    killed, left = hold(tmp_path)
    with killed:
        killed.kill()
    sweep(tmp_path)
    assert left.exists()


def test_memory_is_taken_only_with_room_and_never_against_the_users_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MEMORY", tmp_path)
    monkeypatch.delenv("TMPDIR", raising=False)
    assert memory(0) == tmp_path
    assert memory(1 << 60) is None
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert memory(0) is None
