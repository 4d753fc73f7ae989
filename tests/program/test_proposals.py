"""A proposed command begins with what started the program."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from program_rig import ROOT, Installed

pytest_plugins = ["program_fixtures"]

CELL = ("--torch", "2.8.0", "--platform", "aarch64")
ALSO_IN_PROSE = re.compile(r"\binvoke\b")


@pytest.fixture
def spoiled(tmp_path: Path) -> Path:
    """Return a project folder whose lock cannot be read."""
    folder = tmp_path / "lockfiles/sglang0.5.6.post2-torch2.8.0-cann8.3.rc2-a3"
    folder.mkdir(parents=True)
    (folder / "pylock.aarch64.toml").write_text("spoiled = [")
    return tmp_path


def test_an_error_of_the_installed_program_proposes_its_own_command(
    installed_program: Installed, spoiled: Path
) -> None:
    done = installed_program.run("plan", "--json", *CELL, cwd=spoiled)
    assert done.returncode == 2
    right = f"`ascend-wheelhouse lock --upgrade {' '.join(CELL)}`"
    assert right in done.stderr
    assert right in json.loads(done.stdout.splitlines()[-1])["next"]
    assert not ALSO_IN_PROSE.search(done.stderr + done.stdout)


def test_a_table_of_the_installed_program_proposes_its_own_commands(
    installed_program: Installed, tmp_path: Path
) -> None:
    done = installed_program.run("plan", *CELL, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "`ascend-wheelhouse vendor FILE`" in done.stdout
    assert not ALSO_IN_PROSE.search(done.stdout)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["plann", *CELL], "Next: ascend-wheelhouse plan --torch 2.8.0 --platform aarch64"),
        (["plan", "--trch", "2.8.0"], "Next: ascend-wheelhouse plan --torch 2.8.0"),
        (["plan", "--torch"], "Next: ascend-wheelhouse --help plan"),
        (["--frobnicate"], "Next: ascend-wheelhouse --list"),
        (["audit", "torch.whl"], "Next: ascend-wheelhouse audit -- torch.whl"),
    ],
)
def test_a_mistyped_command_is_corrected_in_the_words_that_started_it(
    installed_program: Installed, tmp_path: Path, words: list[str], said: str
) -> None:
    done = installed_program.run(*words, cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr.splitlines()


def test_help_speaks_of_the_program_that_was_started(installed_program: Installed, tmp_path: Path) -> None:
    for words in (["--help"], ["--help", "plan"], ["toolchain", "-h"], ["--list"]):
        done = installed_program.run(*words, cwd=tmp_path)
        assert done.returncode == 0
        assert not ALSO_IN_PROSE.search(done.stdout), words


def test_a_clone_goes_on_saying_invoke() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "invoke", "plann"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert "Next: invoke plan" in done.stderr


def test_verification_is_proposed_as_it_can_be_started(installed_program: Installed, tmp_path: Path) -> None:
    done = installed_program.run("verify-report", "nothing", cwd=tmp_path)
    assert "`python -m ascend_wheelhouse.verify`" in done.stderr
    (tmp_path / "noxfile.py").touch()
    done = installed_program.run("verify-report", "nothing", cwd=tmp_path)
    assert "`nox -s verify`" in done.stderr
