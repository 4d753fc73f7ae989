from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ascend_wheelhouse.node.install.activate import BadVariableError, write_doors


@pytest.fixture
def ascend(tmp_path: Path) -> Path:
    """A made-up CANN and NNAL whose scripts note the order in which they are sourced."""
    root = tmp_path / "Ascend"
    for name in ("ascend-toolkit", "nnal/atb", "8.5.0/bisheng_toolkit"):
        (root / name).mkdir(parents=True)
        tool = name.split("/")[0]
        text = f'export ORDER="$ORDER {tool}:$(python -c "print(1)")"\necho "$UNSET_BY_NOBODY" >/dev/null\n'
        (root / name / "set_env.sh").write_text(text)
    return root


@pytest.fixture
def env(tmp_path: Path) -> Path:
    """An environment whose `python` is its own, which tells whether it was active."""
    folder = tmp_path / "env with space"
    (folder / "bin").mkdir(parents=True)
    (folder / "bin/activate").write_text(f'export PATH="{folder}/bin:$PATH"\n')
    (folder / "bin/python").write_text("#!/bin/sh\necho active\n")
    (folder / "bin/python").chmod(0o755)
    return folder


def sourced(env: Path, then: str, *, shell: str = "bash", before: str = "") -> str:
    script = f'{before}\n. "{env}/activate"\n{then}'
    done = subprocess.run([shell, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("shell", ["bash", "sh"])
def test_the_environment_is_entered_before_cann_and_cann_before_nnal(
    env: Path, ascend: Path, shell: str
) -> None:
    write_doors(env, {}, machine="x86_64", ascend=str(ascend))
    assert sourced(env, 'echo "$ORDER"', shell=shell) == "ascend-toolkit:active nnal:active 8.5.0:active"


def test_a_strict_shell_stays_strict(env: Path, ascend: Path) -> None:
    write_doors(env, {}, machine="x86_64", ascend=str(ascend))
    text = sourced(env, "case $- in *u*) echo strict ;; esac", before="ORDER=; set -eu")
    assert text == "strict"


def test_variables_are_set_but_what_the_caller_set_stays(env: Path) -> None:
    write_doors(env, {"A": "it's 1", "B": "2"}, machine="x86_64", ascend="/nowhere")
    assert sourced(env, 'echo "$A/$B"', before="B=mine") == "it's 1/mine"


def test_torchs_openmp_library_is_loaded_first_on_aarch64(env: Path) -> None:
    folder = env / "lib/python3.11/site-packages/torch.libs"
    folder.mkdir(parents=True)
    (folder / "libgomp-947d5fa1.so.1.0.0").touch()
    write_doors(env, {}, machine="aarch64", ascend="/nowhere")
    assert "export LD_PRELOAD=" in (env / "activate").read_text()
    write_doors(env, {}, machine="x86_64", ascend="/nowhere")
    assert "LD_PRELOAD" not in (env / "activate").read_text()


def test_a_name_that_is_no_variable_is_refused(env: Path) -> None:
    with pytest.raises(BadVariableError, match=r"'A; rm -rf /'"):
        write_doors(env, {"A; rm -rf /": "1"}, machine="x86_64", ascend="/nowhere")


def test_run_starts_a_command_with_its_arguments(env: Path) -> None:
    write_doors(env, {"A": "1"}, machine="x86_64", ascend="/nowhere")
    done = subprocess.run([env / "run", "echo", "a b", "c"], capture_output=True, text=True, check=True)
    assert done.stdout == "a b c\n"
