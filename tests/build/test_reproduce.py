"""Builds under nine other conditions, all at once: stand-ins of the real upstreams and real packages of the index."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest
from making_builds import SMALL, Bench, cell, recipe_of
from stand_ins import HEADER_SHA256, HEADER_URL, cann, kernels, torch_npu
from upstreams import commit

from ascend_wheelhouse.build.conditions import NAMES
from ascend_wheelhouse.build.reproduce import ReproduceReport
from ascend_wheelhouse.cells.recipe import Recipe
from ascend_wheelhouse.origins.mirrors import Mirrors

pytestmark = pytest.mark.network

TORCH = "2.13.0+cpu"
REAL = {"xxhash": "3.6.0", "psutil": "7.1.3", "msgspec": "0.20.0", "torch-scatter": "2.1.2"}
HEADER = {"url": HEADER_URL, "sha256": HEADER_SHA256}
LONG = pytest.mark.skipif(
    "WHEELHOUSE_LONG_TESTS" not in os.environ, reason="minutes of CPU: nox -s reproduce"
)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(root=tmp_path_factory.mktemp("store"))


def real_recipe(name: str) -> Recipe:
    path = Path(__file__).parent / "recipes" / f"{name}.toml"
    return Recipe.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))


def told(report: ReproduceReport) -> Iterator[str]:
    for wheel in report.wheels:
        yield f"{wheel.filename}: {wheel.rung}, raw {wheel.raw}, by {', '.join(wheel.culprits) or 'chance'}"
        yield from (f"  {one.member}: {one.detail}" for one in wheel.differences)


def assert_bit_equal(report: ReproduceReport) -> None:
    assert report.bit_equal, "\n".join(told(report))
    assert set(report.varied) >= set(NAMES) - {"order", "cores"}


def test_torch_npus_stand_in_is_bit_equal(tmp_path: Path) -> None:
    bench = Bench(root=tmp_path / "store", mirrors=torch_npu(tmp_path / "servers").mirrors)
    table = {"requirements": SMALL, "toolchain": {}, "variants": [], "downloads": [HEADER], "memory_mb": 512}
    recipe, where = recipe_of("torch-npu", **table), cell({"torch": "2.8.0", "torch-npu": "2.8.0.post2"})
    assert_bit_equal(bench.reproduce(recipe, where, bench.lock(recipe, where)))


def test_the_stand_in_of_the_kernels_is_bit_equal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASCEND_HOME_PATH", str(cann(tmp_path / "Ascend")))
    bench = Bench(root=tmp_path / "store", mirrors=kernels(tmp_path / "servers").mirrors)
    recipe = recipe_of("deep-ep", requirements=[*SMALL, "cmake>=3.20,<4"], toolchain={"cann": "=={cann}"})
    where = cell({"torch": "2.8.0", "torch-npu": "2.8.0.post2", "deep-ep": "2026.01.21"})
    assert_bit_equal(bench.reproduce(recipe, where, bench.lock(recipe, where)))


@pytest.mark.parametrize("name", ["xxhash", pytest.param("psutil", marks=LONG)])
def test_a_package_of_the_index_is_bit_equal_and_imports(name: str, bench: Bench, tmp_path: Path) -> None:
    recipe, where = real_recipe(name), cell({"torch": TORCH, name: REAL[name]})
    sources = bench.lock(recipe, where)
    report = bench.reproduce(recipe, where, sources)
    assert_bit_equal(report)
    built = bench.build(recipe, where, sources)
    assert built.sha256 == report.wheels[0].sha256
    assert imported(bench, built.sha256, built.filename, name, tmp_path) == REAL[name]


def imported(bench: Bench, sha256: str, filename: str, module: str, folder: Path) -> str:
    """Install a wheel alone into a new environment and return the version that it says it has."""
    wheel = folder / filename
    wheel.write_bytes(bench.store.path(sha256).read_bytes())
    venv.create(folder / "env", with_pip=False)
    python = folder / "env/bin/python"
    site = folder / "env/lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    subprocess.run([sys.executable, "-m", "zipfile", "-e", str(wheel), str(site)], check=True)
    code = f"import {module}; print({module}.__version__ if hasattr({module}, '__version__') else {module}.VERSION)"
    done = subprocess.run([python, "-I", "-c", code], check=True, capture_output=True, text=True)
    return done.stdout.strip()


LEAKY = """
import os
from setuptools import setup
os.makedirs("leaky", exist_ok=True)
with open("leaky/__init__.py", "w") as out:
    out.write(f"HOST = {os.uname().nodename!r}\\n")
setup(name="leaky", version="1.0", packages=["leaky"])
"""


@pytest.mark.slow
def test_what_makes_a_wheel_differ_is_found_and_named(tmp_path: Path) -> None:
    commit(tmp_path / "servers/leaky.git", {"setup.py": LEAKY})
    mirrors = Mirrors(prefixes={"https://hub.test/": f"file://{tmp_path}/servers/"})
    bench = Bench(root=tmp_path / "store", mirrors=mirrors)
    recipe = Recipe.model_validate(
        {
            "name": "leaky",
            "distribution": "leaky",
            "summary": "A package that carries its builder's name.",
            "licence": "MIT",
            "origins": [{"kind": "git", "url": "https://hub.test/leaky.git", "ref": "main"}],
            "build": {"backend": "pep517", "distributions": ["leaky"]},
        }
    )
    where = cell({"torch": TORCH, "leaky": "1.0"})
    report = bench.reproduce(recipe, where, bench.lock(recipe, where))
    (wheel,) = report.wheels
    assert (wheel.rung, wheel.culprits) == ("differs", ("hostname",))
    told = {one.member: one.detail for one in wheel.differences}
    assert told["leaky/__init__.py"] == "line 1: HOST = 'builder' | HOST = 'another-host'"


@pytest.mark.slow
@LONG
def test_torch_npus_stand_in_against_the_real_torch_is_bit_equal(tmp_path: Path) -> None:
    stand_in = torch_npu(tmp_path / "servers", version="2.13.0")
    bench = Bench(root=tmp_path / "store", mirrors=stand_in.mirrors)
    table = {
        "requirements": [*SMALL, "torch=={torch}", "ninja", "numpy"],
        "toolchain": {},
        "variants": [],
        "downloads": [HEADER],
    }
    recipe, where = recipe_of("torch-npu", **table), cell({"torch": TORCH, "torch-npu": "2.13.0"})
    assert_bit_equal(bench.reproduce(recipe, where, bench.lock(recipe, where)))


@pytest.mark.slow
@LONG
def test_msgspec_is_bit_equal(bench: Bench) -> None:
    recipe, where = real_recipe("msgspec"), cell({"torch": TORCH, "msgspec": REAL["msgspec"]})
    assert_bit_equal(bench.reproduce(recipe, where, bench.lock(recipe, where)))


@pytest.mark.slow
@LONG
def test_an_extension_of_torch_is_bit_equal(bench: Bench) -> None:
    recipe, where = (
        real_recipe("torch-scatter"),
        cell({"torch": TORCH, "torch-scatter": REAL["torch-scatter"]}),
    )
    assert_bit_equal(bench.reproduce(recipe, where, bench.lock(recipe, where)))
