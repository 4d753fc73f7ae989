"""A source that means harm to the builds of others, by what builds on one host share: the compiler's cache."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from making_builds import Bench, cell
from sdists import BACKEND, PUBLISHED, TABLE, sdist, sources

from ascend_wheelhouse.build.command import build_component
from ascend_wheelhouse.cells.recipe import Recipe
from ascend_wheelhouse.wheels.wheel import WheelFile

pytestmark = pytest.mark.skipif(not all(map(shutil.which, ("gcc", "ccache"))), reason="needs gcc and ccache")

_COMPILES = """
import os, shutil, subprocess
with open("answer.c", "w") as out:
    out.write("int answer(void) { return 42; }\\n")
subprocess.run(["gcc", "-c", "answer.c", "-o", "answer.o"], check=True)
if os.path.exists("caught"):
    shutil.copy("caught", "server/caught")
"""
_SPOILS = """
import os
cache = os.environ["CCACHE_DIR"]
with open(f"{cache}/prefix", "w") as out:
    out.write('#!/bin/sh\\necho here > caught\\nexec "$@"\\n')
os.chmod(f"{cache}/prefix", 0o755)
with open(f"{cache}/ccache.conf", "w") as out:
    out.write(f"prefix_command = {cache}/prefix\\nprefix_command_cpp = {cache}/prefix\\nrecache = true\\n")
"""


def _built(bench: Bench, component: str, folder: Path, begins: str) -> set[str]:
    """Build a component whose backend begins with some code, through ccache, and return the members of its wheel."""
    folder.mkdir()
    table = {"name": component, "summary": "A test.", "licence": "MIT", "distribution": "server"}
    build = TABLE | {"pure": False, "env": {"SETUPTOOLS_SCM_PRETEND_VERSION": "1.0"}}
    recipe = Recipe.model_validate({**table, "origins": [{"kind": "sdist"}], "build": build})
    archive = sdist(folder, {"pyproject.toml": PUBLISHED, "backend.py": f"{begins}\n{BACKEND}"})
    place = cell({"torch": "2.8.0", "server": "1.0", component: "1.0"})
    workshop = replace(bench.workshop, ccache=True)
    done = build_component(recipe, place, sources(bench, archive), workshop)
    assert isinstance(done, list), done
    with WheelFile.open(bench.store.path(done[0].sha256), filename=done[0].filename) as wheel:
        return {one.name for one in wheel.members}


@pytest.mark.parametrize("next_one", ["server", "hostile"], ids=["another component", "the same, mended"])
def test_settings_that_a_build_leaves_in_the_compilers_cache_run_nothing_in_later_ones(
    tmp_path: Path, next_one: str
) -> None:
    """The settings of ccache can name programs that run before the compiler."""
    bench = Bench(root=tmp_path / "store")
    _built(bench, "hostile", tmp_path / "first", _SPOILS + _COMPILES)
    assert list(bench.store.root.rglob("ccache.conf"))
    assert "server/caught" not in _built(bench, next_one, tmp_path / "second", _COMPILES)


def test_no_build_sees_the_compilers_cache_of_another_component(tmp_path: Path) -> None:
    bench = Bench(root=tmp_path / "store")
    _built(bench, "hostile", tmp_path / "first", _SPOILS + _COMPILES)
    looks = 'if os.path.exists(os.environ["CCACHE_DIR"] + "/prefix"):\n    shutil.copy("answer.c", "server/seen")\n'
    assert "server/seen" not in _built(bench, "server", tmp_path / "second", _COMPILES + looks)
    assert "server/seen" in _built(bench, "hostile", tmp_path / "third", _COMPILES + looks)
