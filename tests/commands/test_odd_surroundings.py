"""What surrounds a command is not as usual: a full or left output, no home, a current folder that is gone."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

BIN = Path(sys.executable).parent
PROGRAM = BIN / "ascend-wheelhouse"
ROOT = Path(__file__).parents[2]
NO_USER = 54_321
"""A user id without an entry in the list of users."""


def _shell(script: str, *, cwd: Path = ROOT, **variables: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, **variables}
    words = ["bash", "-c", script]
    return subprocess.run(words, cwd=cwd, env=env, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "words",
    ["stacks --json", "stacks", "--list", "--version", "--help stacks", "--print-completion-script bash"],
)
def test_a_full_disk_below_standard_output_is_told_as_one(words: str, tmp_path: Path) -> None:
    done = _shell(f"{PROGRAM} {words} > /dev/full", cwd=tmp_path)
    assert done.returncode == 10, done.stderr
    assert done.stderr.startswith("Error: A disk that this command writes to is full")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("words", ["--version", "--print-completion-script bash", "--list"])
def test_a_reader_that_left_before_any_command_is_no_fault(words: str, tmp_path: Path) -> None:
    done = _shell(
        f"exec 3> >(exec true); sleep 0.2; {PROGRAM} {words} >&3", cwd=tmp_path, PYTHONUNBUFFERED="1"
    )
    assert (done.returncode, done.stderr) == (141, "")


def test_an_error_whose_reader_left_keeps_its_exit_code(tmp_path: Path) -> None:
    done = _shell(f"exec 3> >(exec true); sleep 0.2; {PROGRAM} plan --torch x --json >&3", cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("Error: ")
    assert "Traceback" not in done.stderr
    assert _shell(f"{PROGRAM} plan --torch x 2> /dev/full", cwd=tmp_path).returncode == 2


@pytest.mark.parametrize("words", ["config", "--list", "plan --json"])
def test_a_current_folder_that_is_gone_is_told(words: str, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    done = _shell(f"rmdir {shlex.quote(str(gone))}; {PROGRAM} {words}", cwd=gone)
    assert done.returncode == 10, done.stderr
    assert done.stderr.startswith("Error: The current folder is not there any more.")
    if "--json" in words:
        assert json.loads(done.stdout)["error"] == "FolderGoneError"


@pytest.mark.parametrize("words", ["config", "plan --torch 2.8.0", "cache", "doctor", "worker --show"])
def test_a_user_without_a_home_is_told_what_to_set(words: str) -> None:
    script = (
        "import os, pathlib, sys\n"
        "def gone(number): raise KeyError(number)\n"
        "import pwd; pwd.getpwuid = gone\n"
        "from ascend_wheelhouse.commands.program import main; main()"
    )
    env = {key: value for key, value in os.environ.items() if key in {"PATH", "LANG"}}
    command = [sys.executable, "-c", script, *words.split()]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 10, done.stderr
    assert done.stderr.startswith("Error: This user has no home folder")
    assert "`export HOME=/FOLDER`" in done.stderr
