"""A mistyped command line of `install.py` is told as any other error is, with `--json` by an object too."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_wheelhouse import SmallWheelhouse, run_installer


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A small wheelhouse."""
    return SmallWheelhouse().write(tmp_path / "house")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--bogus"], "install.py: unrecognized arguments: --bogus."),
        (["--installer", "conda"], "install.py: argument --installer: invalid choice: 'conda'"),
        (["--prefix"], "install.py: argument --prefix: expected one argument."),
        (["--check", "--rollback"], "install.py: argument --rollback: not allowed with argument --check."),
    ],
)
def test_a_mistyped_command_line_is_an_error_like_any_other(house: Path, words: list[str], told: str) -> None:
    answer = run_installer(house, *words)
    assert (answer.status, answer.facts["error"]) == (2, "BadOptionError")
    assert answer.facts["what"].startswith(told)
    assert f"error: {told}" in answer.talk


def test_so_is_one_behind_verify(house: Path, tmp_path: Path) -> None:
    prefix = tmp_path / "prefix"
    assert run_installer(house, "--prefix", prefix, "--insecure-no-signature").status == 0
    answer = run_installer(house, "--prefix", prefix, "--json", "--verify", "--bogus")
    assert (answer.status, answer.facts["error"]) == (2, "BadOptionError")
    assert answer.facts["what"] == "install.py --verify: unrecognized arguments: --bogus."
