"""A wheelhouse for another Python than the one that runs `install.py`: the node's own of that version is taken."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from small_wheelhouse import CELL, SmallWheelhouse, run_in, run_installer

from ascend_wheelhouse.base.interpreters import find_python
from ascend_wheelhouse.node.host import pythons

OTHERS = [version for version in ("3.12", "3.11") if version != pythons.running()]
OTHER = OTHERS[0]
HERE = find_python(OTHER)
UNSIGNED = "--insecure-no-signature"
needs_other = pytest.mark.skipif(HERE is None, reason=f"this host has no Python {OTHER}")


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """Return a small wheelhouse for the other Python."""
    return SmallWheelhouse(cell={**CELL, "python": OTHER, "torch": "2.10.0"}).write(tmp_path / "house")


def program(folder: Path, text: str, name: str = f"python{OTHER}") -> Path:
    """Write a program called as the other Python is."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def with_first(folder: Path) -> dict[str, str]:
    """Return the variables of a node whose path begins with a folder, and has no other Python of that version."""
    return {"PATH": f"{folder}:/usr/sbin:/sbin:/bin"}


@needs_other
@pytest.mark.parametrize("installer", ["uv", "pip"])
def test_the_environment_is_made_with_the_python_that_the_wheels_are_for(
    house: Path, tmp_path: Path, installer: str
) -> None:
    assert HERE is not None
    prefix = tmp_path / "npu"
    words = ("--prefix", prefix, UNSIGNED, "--installer", installer)
    answer = run_installer(house, *words, env=with_first(HERE.parent))
    assert answer.status == 0, answer.talk
    asked = "import alpha, sys; print(alpha.version, '.'.join(map(str, sys.version_info[:2])))"
    assert run_in(prefix, "python", "-c", asked) == f"1.0 {OTHER}"
    assert (prefix / f"current/lib/python{OTHER}/site-packages/alpha/__init__.py").is_file()
    assert run_installer(house, "--prefix", prefix, "--check").status == 0
    again = run_installer(house, *words, env=with_first(HERE.parent))
    assert (again.status, again.facts["changed"]) == (0, False)


@pytest.mark.skipif(Path(f"/usr/bin/python{OTHER}").exists(), reason="the system has the other Python itself")
def test_a_node_without_that_python_is_refused_with_what_brings_it(house: Path, tmp_path: Path) -> None:
    prefix = tmp_path / "npu"
    answer = run_installer(house, "--prefix", prefix, UNSIGNED, env=with_first(tmp_path))
    assert answer.status == 10
    assert answer.facts["what"] == "This node does not fit the wheelhouse: python."
    assert (
        f"found {pythons.running()}, and no python{OTHER} on the path, wanted {OTHER}" in answer.facts["why"]
    )
    assert "Compiled wheels fit one CPython only" in answer.facts["why"]
    assert f"python{OTHER}" in answer.facts["next"]
    assert not prefix.exists()


@pytest.mark.parametrize(
    "text",
    [
        "echo 'pyenv: command not found' >&2; exit 127",
        "echo cpython 3 10",
        f"echo pypy {OTHER.replace('.', ' ')}",
        "exit 0",
    ],
)
def test_a_program_on_the_path_that_is_no_such_python_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    """Version managers put programs on the path that start nothing until a version is chosen."""
    program(tmp_path / "shims", text)
    real = program(tmp_path / "real", f"echo cpython {OTHER.replace('.', ' ')}")
    monkeypatch.setenv("PATH", f"{tmp_path / 'shims'}{os.pathsep}{tmp_path / 'real'}")
    assert pythons.find(OTHER) == str(real)


@pytest.mark.parametrize("word", ["3.12/../../evil", "/../../evil", "3", "", "3.1234", "three"])
def test_a_word_that_is_no_version_starts_no_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    """The word comes from a manifest, and becomes part of the name of a program that is started."""
    (tmp_path / "bin/python3.12").mkdir(parents=True)
    (tmp_path / "bin/python").mkdir()
    program(tmp_path, f"touch {tmp_path}/started", name="evil")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert pythons.find(word) == ""
    assert not (tmp_path / "started").exists()


def test_the_python_that_runs_is_taken_where_it_is_the_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert pythons.find(pythons.running()) == sys.executable


def test_a_relative_folder_on_the_path_is_no_place_to_start_programs_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path / "stick", f"echo cpython {OTHER.replace('.', ' ')}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "stick")
    assert not pythons.find(OTHER).startswith(("stick", str(tmp_path)))


def test_a_python_that_pyenv_keeps_is_found_behind_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Builds and verifications on a host look further than an installer on a node does."""
    (tmp_path / "pyenv/versions/3.10.1").mkdir(parents=True)
    kept = program(tmp_path / "pyenv/versions/3.10.1/bin", "echo cpython 3 10", name="python3.10")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    assert pythons.find("3.10") == ""
    assert find_python("3.10") == kept
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    assert find_python("3.10") is None


def test_a_pyenv_of_another_user_holds_no_python_for_this_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`su` without `-` leaves the variables of who called it."""

    def refused(self: Path, _pattern: str) -> Iterator[Path]:
        raise PermissionError(errno.EACCES, "Permission denied", str(self))

    monkeypatch.setattr(Path, "glob", refused)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "theirs"))
    assert find_python("3.10") is None


@pytest.mark.parametrize(
    ("there", "named", "told"),
    [
        ({"python3.11": "exit 0", "python3.12": "exit 0"}, "python3.11", ""),
        ({"python3.11": "exit 127", "python3.12": "exit 0"}, "python3.12", ""),
        ({"python3.11": "exit 127"}, "python3.11", "install python3.11 first"),
    ],
)
def test_an_older_python_proposes_one_that_starts_on_this_node(
    tmp_path: Path, there: dict[str, str], named: str, told: str
) -> None:
    for name, text in there.items():
        program(tmp_path / "bin", text, name)
    house = SmallWheelhouse().write(tmp_path / "house")
    old = "import runpy, sys; sys.version_info = (3, 10, 2); sys.argv[:1] = []"
    words = [sys.executable, "-I", "-c", f"{old}; runpy.run_path(sys.argv[0], run_name='__main__')"]
    path = {"PATH": str(tmp_path / "bin")}
    done = subprocess.run(
        [*words, house / "install.py", "--doctor"], env=path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 10
    assert f"Next: {named} -I install.py --doctor\n" in done.stderr
    assert ("install python3.11 first" in done.stderr) == bool(told)
