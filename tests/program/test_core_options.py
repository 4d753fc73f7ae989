"""What is wrong with an option of Invoke's own, before the command, is bad usage and no traceback."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--command-timeout", "soon", "config"], "an option before the command wants a number"),
        (["--list", "--list-format", "table"], "--list-format is one of flat, nested, json."),
        (["--config", "settings.txt", "config"], "Config files of type 'txt'"),
    ],
)
def test_a_wrong_value_before_the_command_is_exit_2(tmp_path: Path, words: list[str], told: str) -> None:
    (tmp_path / "settings.txt").write_text("x")
    done = subprocess.run(
        [sys.executable, "-m", "ascend_wheelhouse", *words],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert told in done.stderr
    assert done.stderr.endswith("Next: ascend-wheelhouse --help\n")
