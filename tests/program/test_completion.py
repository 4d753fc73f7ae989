"""Completion in real shells: the printed script is read, and the line is completed as if Tab was pressed."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from program_rig import Installed

pytest_plugins = ["program_fixtures"]


def _bash(script: str, words: list[str]) -> list[str]:
    typed = " ".join(f"'{word}'" for word in words)
    function = "_complete_ascend-wheelhouse"
    asked = (
        f"COMP_WORDS=({typed}); {function} ascend-wheelhouse '{words[-1]}'; printf '%s\\n' ${{COMPREPLY[@]}}"
    )
    return ["bash", "--norc", "-c", f"{script}\ncomplete -p ascend-wheelhouse >/dev/null && {asked}"]


def _zsh(script: str, words: list[str]) -> list[str]:
    """`compctl` asks the function for `reply`, and goes by what is there of the word by itself."""
    typed = " ".join(f"'{word}'" for word in words)
    asked = f"words=({typed}); _complete_ascend-wheelhouse; print -l -- ${{(M)reply:#{words[-1]}*}}"
    return ["zsh", "-f", "-c", f"zmodload zsh/compctl\n{script}\n{asked}"]


def _fish(script: str, words: list[str]) -> list[str]:
    return ["fish", "--no-config", "-c", f"{script}\ncomplete --do-complete '{' '.join(words)}'"]


SHELLS: dict[str, Callable[[str, list[str]], list[str]]] = {"bash": _bash, "zsh": _zsh, "fish": _fish}


@pytest.fixture(params=SHELLS)
def complete(
    request: pytest.FixtureRequest, installed_program: Installed, tmp_path: Path
) -> Callable[..., set[str]]:
    """Return what completes a line in one shell."""
    shell = str(request.param)
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    script = installed_program.run("--print-completion-script", shell, cwd=tmp_path).stdout

    def completed(*words: str) -> set[str]:
        line = SHELLS[shell](script, ["ascend-wheelhouse", *words])
        done = subprocess.run(
            line,
            cwd=tmp_path,
            env=installed_program.environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.stderr == ""
        return {one.split("\t")[0] for one in done.stdout.split("\n") if one}

    return completed


def test_a_shell_completes_the_names_of_tasks(complete: Callable[..., set[str]]) -> None:
    assert {"vendor", "vendored", "verify-report"} == complete("ve")


def test_a_shell_completes_the_options_of_a_task(complete: Callable[..., set[str]]) -> None:
    assert complete("plan", "--to") == {"--torch"}
    assert {"--torch", "--platform", "--dot"} <= complete("plan", "--")


def test_a_shell_that_is_not_known_is_told_with_those_that_are(
    installed_program: Installed, tmp_path: Path
) -> None:
    done = installed_program.run("--print-completion-script", "ksh", cwd=tmp_path)
    assert done.returncode == 2
    assert "bash, fish, zsh" in done.stderr
