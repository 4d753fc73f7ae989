"""Whole builds for the other architecture on this host: a package of the index, and torch_npu's stand-in.

The compiler is a program of this host, everything else of the build runs emulated; the wheels are imported under
emulation too. Toolchains are kept in this user's store.
"""

from __future__ import annotations

import os
import platform
import tomllib
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from making_builds import SMALL, Bench, cell, recipe_of
from stand_ins import HEADER_SHA256, HEADER_URL, torch_npu

from ascend_wheelhouse.base.process import Finished, run
from ascend_wheelhouse.build.command import Workshop, build_component, job_for
from ascend_wheelhouse.build.conditions import NAMES
from ascend_wheelhouse.build.outcome import BuiltWheel
from ascend_wheelhouse.build.reproduce import reproduce
from ascend_wheelhouse.cells.cell import Cell
from ascend_wheelhouse.cells.recipe import Recipe
from ascend_wheelhouse.cells.target import Machine, Target
from ascend_wheelhouse.locks.toolchain_lock import read_toolchain
from ascend_wheelhouse.make.fetcher import Fetcher
from ascend_wheelhouse.make.own_toolchains import own_toolchains
from ascend_wheelhouse.store.store import Store
from ascend_wheelhouse.verify import emulation
from ascend_wheelhouse.verify.prepare import default_store
from ascend_wheelhouse.verify.system_root import system_root

OTHER: Machine = "aarch64" if platform.machine() == "x86_64" else "x86_64"
MISSING = [need.name for need in emulation.needs(OTHER) if need.required and not need.present]
PROJECT = Path(__file__).parents[2]
LOCKED = (PROJECT / "lockfiles/toolchains").glob(f"*.{platform.machine()}-for-{OTHER}.toml")
pytestmark = [
    pytest.mark.network,
    pytest.mark.slow,
    pytest.mark.skipif(bool(MISSING), reason=f"invoke doctor --emulation: {', '.join(MISSING)} missing"),
    pytest.mark.skipif(not list(LOCKED), reason="no toolchain is locked for this kind of builder"),
]
long = pytest.mark.skipif(
    not os.environ.get("WHEELHOUSE_LONG_TESTS"), reason="a quarter of an hour: nox -s foreign"
)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A bench with the user's own toolchains, so that they are fetched once."""
    return Bench(root=tmp_path / "store", mirrors=torch_npu(tmp_path / "servers").mirrors)


def for_the_other(versions: dict[str, str]) -> Cell:
    return replace(cell(versions), target=Target(machine=OTHER))


def workshop(bench: Bench) -> Workshop:
    """A workshop as `invoke build` has it: the host's compiler where it fits, else one of ours."""
    kept = Store(default_store())
    own = own_toolchains(PROJECT, Fetcher(recipes={}, store=kept))
    return Workshop(store=bench.store, emit=bench.events.append, own=own)


def build(bench: Bench, recipe: Recipe, where: Cell) -> BuiltWheel:
    """Build a component that gives one wheel."""
    built = build_component(recipe, where, bench.lock(recipe, where), workshop(bench))
    assert isinstance(built, list), built
    (wheel,) = built
    return wheel


def emulated(work: Path, wheel: Path, code: str) -> Finished:
    """Unpack a wheel and run a program beside it on the other architecture."""
    with zipfile.ZipFile(wheel) as opened:
        opened.extractall(work / "site")
    root = system_root(OTHER, "3.11", default_store())
    launcher = emulation.EmulatedLauncher(machine=OTHER, root=root, work=work)
    environment = {"PYTHONPATH": launcher.inside(work / "site"), "PYTHONDONTWRITEBYTECODE": "1"}
    return run(launcher.command(["/usr/bin/python3.11", "-c", code], environment, network=False), check=False)


def recipe_at(name: str) -> Recipe:
    path = Path(__file__).parent / "recipes" / f"{name}.toml"
    return Recipe.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))


def test_a_package_of_the_index_is_built_for_the_other_architecture_and_imports_there(
    bench: Bench, tmp_path: Path
) -> None:
    wheel = build(bench, recipe_at("xxhash"), for_the_other({"torch": "2.8.0", "xxhash": "3.6.0"}))
    assert wheel.filename.endswith(f"_{OTHER}.whl")
    code = "import platform, xxhash; print(platform.machine(), xxhash.xxh64(b'a').hexdigest())"
    done = emulated(tmp_path, bench.store.path(wheel.sha256), code)
    assert done.stdout.split() == [OTHER, "d24ec4f1a98c6e5b"], done.stderr


def test_the_toolchain_of_a_wheel_is_told_with_it(bench: Bench) -> None:
    wheel = build(bench, recipe_at("xxhash"), for_the_other({"torch": "2.8.0", "xxhash": "3.6.0"}))
    name = wheel.sandbox.removeprefix("toolchain ")
    lock = read_toolchain(PROJECT / "lockfiles", name)
    assert lock is not None
    assert lock.digest[:16] in wheel.toolchain["gcc"]
    assert wheel.toolchain["gcc"].startswith(f"gcc {lock.gcc} ")


@long
def test_a_build_for_the_other_architecture_is_bit_equal_under_other_conditions(bench: Bench) -> None:
    recipe, where = recipe_at("xxhash"), for_the_other({"torch": "2.8.0", "xxhash": "3.6.0"})
    job = job_for(recipe, where, bench.lock(recipe, where))
    shop = workshop(bench)
    sandbox, toolchain, interpreter = shop.tools(job.spec, where)
    report = reproduce(job, toolchain, shop.builder(sandbox, interpreter, job.spec))
    assert report.bit_equal
    assert set(report.varied) >= set(NAMES) - {"order", "cores", "clock"}


@long
def test_torch_npus_stand_in_is_built_for_the_other_architecture(bench: Bench) -> None:
    header = {"url": HEADER_URL, "sha256": HEADER_SHA256}
    table = {"requirements": SMALL, "toolchain": {}, "variants": [], "downloads": [header], "memory_mb": 512}
    recipe = recipe_of("torch-npu", **table)
    wheel = build(bench, recipe, for_the_other({"torch": "2.8.0", "torch-npu": "2.8.0.post2"}))
    assert wheel.filename.startswith("torch_npu-2.8.0.post2-cp311-cp311-")
    assert wheel.filename.endswith(f"_{OTHER}.whl")


@long
def test_an_extension_of_torch_with_templates_of_its_own_reaches_the_oldest_nodes(bench: Bench) -> None:
    where = for_the_other({"torch": "2.8.0", "torch-scatter": "2.1.2"})
    wheel = build(bench, recipe_at("torch-scatter"), where)
    assert f"manylinux_2_24_{OTHER}" in wheel.filename
