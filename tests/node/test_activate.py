from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ascend_wheelhouse.node.host import cann
from ascend_wheelhouse.node.host.node_environment import BadVariableError, compute
from ascend_wheelhouse.node.install.activate import write_entries

NO_CANN = cann.Ascend(devices=0, toolkit="", scripts=())


@pytest.fixture
def env(tmp_path: Path) -> Path:
    """An environment with `activate` and `run`, whose manifest asks for two variables."""
    folder = tmp_path / "env with space"
    subprocess.run([sys.executable, "-I", "-m", "venv", "--without-pip", folder], check=True)
    asked = {"A": "it's 1", "B": "2\n3"}
    write_entries(folder, asked)
    head = {"schema": 1, "stack": "small", "platform": "any", "cell": {}, "files": []}
    whole = {**head, "serving": {"environment": asked}}
    (folder / "manifest.json").write_text(json.dumps(whole), encoding="utf-8")
    return folder


def sourced(env: Path, then: str, *, shell: str = "bash", before: str = "") -> str:
    script = f'{before}\nASCEND_ROOT=/nowhere; export ASCEND_ROOT\n. "{env}/activate"\n{then}'
    done = subprocess.run([shell, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("shell", ["bash", "sh"])
def test_the_environments_own_python_comes_first(env: Path, shell: str) -> None:
    assert sourced(env, "command -v python", shell=shell) == f"{env}/bin/python"
    assert sourced(env, 'echo "$VIRTUAL_ENV"', shell=shell) == str(env)


def test_a_strict_shell_stays_strict_and_nothing_else_is_left_in_it(env: Path) -> None:
    then = "case $- in *u*) echo strict ;; esac; set | grep '^_npu' || echo clean"
    assert sourced(env, then, before="set -eu") == "strict\nclean"


@pytest.mark.parametrize("shell", ["bash", "sh"])
def test_variables_are_set_but_what_the_caller_set_stays(env: Path, shell: str) -> None:
    assert sourced(env, 'echo "$A/$B"', shell=shell, before="export A=mine") == "mine/2\n3"
    assert sourced(env, 'echo "$A"', shell=shell) == "it's 1"


def test_torchs_openmp_library_is_loaded_first_on_aarch64(env: Path) -> None:
    site = next(env.glob("lib/python3.*/site-packages"))
    library = site / "torch.libs/libgomp-947d5fa1.so.1.0.0"
    library.parent.mkdir(parents=True)
    library.touch()
    caller = {"LD_PRELOAD": "/usr/lib/own.so"}
    for _ in range(2):  # what was activated once may be activated again
        made = compute(NO_CANN, env, inherited=caller, machine="aarch64").variables
        assert made["LD_PRELOAD"] == f"{library}:/usr/lib/own.so"
        caller = dict(made)
    assert "LD_PRELOAD" not in compute(NO_CANN, env, inherited={}, machine="x86_64").variables


def test_a_name_that_is_no_variable_is_refused(env: Path) -> None:
    with pytest.raises(BadVariableError, match=r"'A; rm -rf /'"):
        write_entries(env, {"A; rm -rf /": "1"})


def test_run_starts_a_command_with_its_arguments_and_hands_on_its_status(env: Path) -> None:
    done = subprocess.run(
        [env / "run", "sh", "-c", 'echo "$@"; exit 3', "own", "a b", "c"],
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (3, b"a b c\n")


def test_run_needs_no_shell_but_sh(env: Path, tmp_path: Path) -> None:
    nothing = tmp_path / "nothing"
    nothing.mkdir()
    done = subprocess.run(
        [env / "run", "/bin/echo", "here"], capture_output=True, check=False, env={"PATH": str(nothing)}
    )
    assert (done.returncode, done.stdout) == (0, b"here\n"), done.stderr


def test_an_environment_that_lost_its_manifest_is_not_entered_by_half(env: Path) -> None:
    (env / "manifest.json").unlink()
    done = subprocess.run(["bash", "-c", f'. "{env}/activate"'], capture_output=True, text=True, check=False)
    assert done.returncode == 5
    assert "manifest.json cannot be read" in done.stderr
