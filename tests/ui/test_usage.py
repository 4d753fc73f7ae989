"""What is mistyped on the command line ends with 2 and a proposal."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["wheelhose"], "Did you mean wheelhouse?"),
        (["wheelhouse", "--platfrom", "aarch64"], "Did you mean --platform?"),
        (["audit", "A.whl"], "invoke audit -- A.whl"),
        (["wheelhouse", "--torch"], "Error: "),
        (["plan", "--zzzzzz"], "invoke --help plan"),
        (["plan", "--torch="], "is not a version"),
        (["plan", "--torch=2.8\n0"], "holds the character '\\n'"),
        (["plan", "--torch=\udcff"], "holds the character '\\udcff'"),
        (["plan", f"--torch={'x' * 70000}"], "is 70000 characters long"),
        (["keygen", "--path="], "--path of keygen is empty"),
        (["audit", "--", "a\tb"], "what stands behind `--` holds the character '\\t'"),
        (["image", "x"], "No --out was given"),
        (["wheelhouse", "--offline", "--build=nonesuch"], "'nonesuch' is no component of"),
        (["plan", "--torch", "banana"], "is not a version"),
    ],
)
def test_a_mistyped_command_line_is_exit_2_with_what_was_meant(words: list[str], told: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "invoke", *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2, done.stderr
    assert told in done.stderr
    assert "Traceback" not in done.stderr
