"""Standard output that is full, or that nobody reads: what was done is told truthfully, and no traceback comes."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from small_wheelhouse import SmallWheelhouse, run_installer

UNSIGNED = "--insecure-no-signature"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return SmallWheelhouse().write(tmp_path_factory.mktemp("lost") / "house")


@pytest.fixture(scope="module")
def prefix(house: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("npu") / "npu"
    assert run_installer(house, "--prefix", folder, UNSIGNED).status == 0
    return folder


def _shell(line: str, *words: str | Path) -> subprocess.CompletedProcess[str]:
    command = ["bash", "-o", "pipefail", "-c", line, "bash", sys.executable, "-I", *words]
    env = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}  # told in a note
    return subprocess.run(command, capture_output=True, text=True, check=False, env=env)


@pytest.mark.parametrize("form", [(), ("--json",)], ids=["words", "json"])
def test_a_full_standard_output_after_a_switch_is_told_as_that(
    house: Path, tmp_path: Path, form: tuple[str, ...]
) -> None:
    done = _shell('"$@" >/dev/full', house / "install.py", "--prefix", tmp_path / "npu", UNSIGNED, *form)
    assert done.returncode == 10, done.stderr
    assert "The answer cannot be written to standard output: No space left on device." in done.stderr
    assert "What was asked for is done all the same." in done.stderr
    assert "was not touched" not in done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "npu/current/receipt.json").is_file()


@pytest.mark.parametrize(
    "words", [("--env",), ("--env", "--json"), ("--check",), ("--check", "--json")], ids=" ".join
)
def test_a_reader_that_has_gone_is_left_alone(house: Path, prefix: Path, words: tuple[str, ...]) -> None:
    done = _shell('"$@" | true', house / "install.py", "--prefix", prefix, *words)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr


def test_an_error_on_a_full_standard_output_keeps_its_text_and_its_code(house: Path, tmp_path: Path) -> None:
    done = _shell('"$@" >/dev/full', house / "install.py", "--prefix", tmp_path / "npu", "--check", "--json")
    assert done.returncode == 2
    assert "Nothing is installed in" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_install_goes_on_where_its_lines_cannot_be_written(house: Path, tmp_path: Path) -> None:
    done = _shell('"$@" 2>/dev/full', house / "install.py", "--prefix", tmp_path / "npu", UNSIGNED)
    assert done.returncode == 0
    assert "is installed" in done.stdout


@pytest.mark.parametrize("words", [("--env", "--json"), ("--check", "--json"), ("--env",)], ids=" ".join)
def test_what_is_said_on_a_closed_standard_error_is_no_part_of_the_answer(
    prefix: Path, words: tuple[str, ...]
) -> None:
    program: list[str | Path] = [prefix / "current/install.py", "--prefix", prefix, *words]
    wanted = _shell('"$@" 2>/dev/null', *program).stdout
    assert _shell('"$@" 2>&-', *program).stdout == wanted
    noted = f"PYTHONPATH={shlex.quote(str(prefix))}"
    assert (
        _shell(f'{noted} "$@" 2>&-', *program).stdout == _shell(f'{noted} "$@" 2>/dev/null', *program).stdout
    )


def test_an_install_goes_on_where_every_stream_is_closed(house: Path, tmp_path: Path) -> None:
    prefix = tmp_path / "npu"
    done = _shell('"$@" >&- 2>&- <&-', house / "install.py", "--prefix", prefix, UNSIGNED, "--json")
    assert done.returncode == 0
    refused = _shell('"$@" 2>&-', house / "install.py", "--prefix", prefix, "--rollback", "--json")
    assert (refused.returncode, json.loads(refused.stdout)["error"]) == (2, "NoPreviousError")
