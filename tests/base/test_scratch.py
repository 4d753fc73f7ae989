"""Folders for short work: where they are made, and who removes them."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
from pathlib import Path

import pytest

from ascend_wheelhouse.base import scratch as module
from ascend_wheelhouse.base.scratch import memory, scratch
from ascend_wheelhouse.node.scratch import PREFIX, sweep

HOLD = "import sys\nfrom pathlib import Path\nfrom ascend_wheelhouse.base.scratch import scratch\n"


def hold(place: Path) -> tuple[subprocess.Popen[str], Path]:
    """Start a process that holds a folder in `place`, and return both."""
    code = f"{HOLD}with scratch(Path(sys.argv[1])) as folder:\n print(folder, flush=True)\n sys.stdin.read()"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    process = subprocess.Popen([sys.executable, "-c", code, str(place)], text=True, **pipes)  # type: ignore[call-overload]
    return process, Path(process.stdout.readline().strip()).parent


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
        sweep(tmp_path)
        assert not left.exists()
        assert held.exists()
    assert not held.exists()


def test_a_folder_whose_maker_was_killed_before_its_lock_is_removed_but_never_one_with_something_in_it(
    tmp_path: Path,
) -> None:
    (tmp_path / f"{PREFIX}empty").mkdir()
    (tmp_path / f"{PREFIX}full").mkdir()
    (tmp_path / f"{PREFIX}full" / "diary").touch()
    sweep(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [f"{PREFIX}full"]


def test_nobody_loses_a_folder_however_making_and_sweeping_meet(tmp_path: Path) -> None:
    """Each maker writes into its folder while the others sweep all the time."""

    def work(number: int) -> None:
        for turn in range(60):
            with scratch(tmp_path) as folder:
                (folder / "file").write_text(f"{number} {turn}")
                sweep(tmp_path)
                assert (folder / "file").read_text() == f"{number} {turn}"

    makers = [multiprocessing.get_context("fork").Process(target=work, args=(number,)) for number in range(4)]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()
    assert [maker.exitcode for maker in makers] == [0, 0, 0, 0]
    assert list(tmp_path.iterdir()) == []


def test_a_read_only_folder_is_removed_too(tmp_path: Path) -> None:
    with scratch(tmp_path) as folder:
        (folder / "cache").mkdir()
        (folder / "cache" / "file").touch()
        (folder / "cache").chmod(0o500)
    assert list(tmp_path.iterdir()) == []


def test_memory_is_taken_only_with_space_and_never_against_the_users_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MEMORY", tmp_path)
    monkeypatch.delenv("TMPDIR", raising=False)
    assert memory(0) == tmp_path
    assert memory(1 << 60) is None
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert memory(0) is None
