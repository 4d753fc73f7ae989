"""The Python of a node that an environment was made with, removed or replaced after the install."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from small_wheelhouse import Answer, SmallWheelhouse, run_installer

from ascend_wheelhouse.node.host import pythons

UNSIGNED = "--insecure-no-signature"
OTHER = "#!/bin/sh\necho cpython 3 99\n"


@pytest.fixture
def node(tmp_path: Path) -> Path:
    """A folder with two wheelhouses, both installed below `npu` with a Python that stands in `python`."""
    real = Path(os.path.realpath(sys.executable))
    (tmp_path / "python").mkdir()
    (tmp_path / "python/python3").symlink_to(real)
    for name in ("first", "second"):
        SmallWheelhouse(stack=name).write(tmp_path / name)
        done = by_it(tmp_path, tmp_path / name / "install.py", "--prefix", tmp_path / "npu", UNSIGNED)
        assert done.returncode == 0, done.stderr
    assert os.path.realpath(tmp_path / "npu/current/bin/python") == str(real)
    return tmp_path


def by_it(folder: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    line = [folder / "python/python3", "-I", *words]
    return subprocess.run(line, capture_output=True, text=True, check=False)


def replaced(node: Path) -> None:
    """Have another version of Python stand where the environments look for theirs."""
    (node / "python/python3").unlink()
    (node / "python/python3").write_text(OTHER)
    (node / "python/python3").chmod(0o755)


def removed(node: Path) -> None:
    (node / "python/python3").unlink()


def asked(node: Path, *words: str) -> Answer:
    return run_installer(node / "second", "--prefix", node / "npu", *words)


@pytest.mark.parametrize("words", [("--env",), ("--verify", "--only", "imports")], ids=["env", "verify"])
@pytest.mark.parametrize("change", [removed, replaced])
def test_what_runs_with_it_says_that_it_is_gone(
    node: Path, change: Callable[[Path], None], words: tuple[str, ...]
) -> None:
    change(node)
    answer = asked(node, *words)
    assert (answer.status, answer.facts["error"]) == (10, "OwnPythonError"), answer.talk
    assert f"{node}/npu/envs/0002/bin/python starts no Python {pythons.running()}" in answer.facts["what"]
    assert "--reinstall" in answer.facts["next"]


def test_another_version_in_its_place_passes_neither_a_check_nor_a_rollback(node: Path) -> None:
    replaced(node)
    for words in ("--check",), ("--rollback",), ("--rollback", "--dry-run"):
        answer = asked(node, *words)
        assert (answer.status, answer.facts["error"]) == (10, "OwnPythonError"), words
    assert (node / "npu/current").readlink().name == "0002"


def test_an_install_makes_an_environment_anew_where_its_python_is_another_one(node: Path) -> None:
    replaced(node)
    answer = asked(node, UNSIGNED)
    assert (answer.status, answer.facts["changed"]) == (0, True), answer.talk
    assert "was made with a Python that is gone" in answer.talk
    assert asked(node, "--check").status == 0


def test_a_check_says_where_a_removed_python_was(node: Path) -> None:
    removed(node)
    answer = asked(node, "--check")
    assert (answer.status, answer.facts["error"]) == (5, "EnvironmentChangedError")
    assert f"bin/python3 (leads to {node}/python/python3, where nothing is)" in answer.facts["why"]


@pytest.mark.parametrize("shell", ["bash", "sh"])
@pytest.mark.parametrize("way", [". {0}/activate || exit", "{0}/run true"], ids=["activate", "run"])
def test_a_shell_says_what_to_do_where_it_does_not_start(node: Path, way: str, shell: str) -> None:
    removed(node)
    line = [shell, "-c", "set -eu; set -- mine; " + way.format(node / "npu")]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 10
    assert f"error: {node}/npu/envs/0002/bin/python does not start." in done.stderr
    command = done.stderr.partition("Next: ")[2].partition(", which says")[0]
    said = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert (said.returncode, "--reinstall" in said.stderr) == (5, True), said.stderr


def test_a_shell_says_so_of_a_program_whose_interpreter_is_gone(node: Path) -> None:
    removed(node)
    fake = node / "python/python3"
    fake.write_text("#!/nowhere/python\n")
    fake.chmod(0o755)
    done = subprocess.run([node / "npu/run", "true"], capture_output=True, text=True, check=False)
    assert (done.returncode, "does not start" in done.stderr) == (10, True)


def test_the_doctor_tells_of_it(node: Path) -> None:
    assert "python of the environment" not in asked(node, "--doctor").facts["verdict"]
    removed(node)
    answer = asked(node, "--doctor")
    (found,) = [one for one in answer.facts["findings"] if one["name"] == "python of the environment"]
    assert (found["level"], found["found"]) == ("warn", str(node / "python/python3"))
    assert answer.facts["verdict"].endswith("python of the environment.")
