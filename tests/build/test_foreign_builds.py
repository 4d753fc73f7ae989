"""Whole builds for the other architecture on this host: a package of the index, and torch_npu's stand-in.

The compiler is a program of this host, everything else of the build runs emulated; the wheels are imported under
emulation too. Toolchains are kept in this user's store.
"""

from __future__ import annotations

import os
import platform
import re
import struct
import tomllib
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from big_stand_in import big_torch_npu
from cann_packages import toolkit
from making_builds import SMALL, Bench, cell, recipe_of
from stand_ins import HEADER_SHA256, HEADER_URL, kernels, torch_npu

from ascend_wheelhouse.base.events import Note
from ascend_wheelhouse.base.process import Finished, run
from ascend_wheelhouse.build.command import Workshop, build_component, job_for
from ascend_wheelhouse.build.conditions import NAMES
from ascend_wheelhouse.build.outcome import BuiltWheel
from ascend_wheelhouse.build.reproduce import reproduce
from ascend_wheelhouse.cells.cell import Cell
from ascend_wheelhouse.cells.recipe import GitOrigin, Recipe
from ascend_wheelhouse.cells.recipe_files import load_recipes
from ascend_wheelhouse.cells.target import Machine, Target
from ascend_wheelhouse.handover.vendor import vendor_file
from ascend_wheelhouse.locks.toolchain_lock import read_toolchain
from ascend_wheelhouse.make.fetcher import Fetcher
from ascend_wheelhouse.make.own_toolchains import own_toolchains
from ascend_wheelhouse.origins.mirrors import Mirrors
from ascend_wheelhouse.store.root import default_root
from ascend_wheelhouse.store.store import Store
from ascend_wheelhouse.verify import emulation
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
LONG = bool(os.environ.get("WHEELHOUSE_LONG_TESTS"))
FOREIGN_UNITS = 400 if LONG else 60
long = pytest.mark.skipif(not LONG, reason="a quarter of an hour: nox -s foreign")


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A bench with the user's own toolchains, so that they are fetched once."""
    return Bench(root=tmp_path / "store", mirrors=torch_npu(tmp_path / "servers").mirrors)


def for_the_other(versions: dict[str, str]) -> Cell:
    return replace(cell(versions), target=Target(machine=OTHER))


def workshop(bench: Bench) -> Workshop:
    """A workshop as `invoke build` has it: the host's compiler where it fits, else one of ours."""
    kept = Store(default_root())
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
    root = system_root(OTHER, "3.11", default_root())
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
    refuse_differences(bench, recipe_at("xxhash"), for_the_other({"torch": "2.8.0", "xxhash": "3.6.0"}))


def refuse_differences(bench: Bench, recipe: Recipe, where: Cell) -> None:
    """Build twice, and fail unless both wheels have the same bytes."""
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
def test_torch_npu_at_its_size_is_built_for_the_other_architecture_and_again_after_a_change(
    tmp_path: Path,
) -> None:
    source = big_torch_npu(tmp_path / "servers", FOREIGN_UNITS)
    servers = f"file://{tmp_path}/servers/"
    mirrors = Mirrors(prefixes={"https://github.com/Ascend/": servers, "https://code.test/Ascend/": servers})
    bench = Bench(root=tmp_path / "store", mirrors=mirrors)
    where = for_the_other({"torch": "2.8.0", "torch-npu": "2.8.0.post2"})
    wheel = build(bench, big_recipe(source.commit), where)
    assert wheel.filename.endswith(f"_{OTHER}.whl")
    with zipfile.ZipFile(bench.store.path(wheel.sha256)) as opened:
        library = opened.read("torch_npu/lib/libtorch_npu.so")
    assert library[18:20] == struct.pack("<H", {"aarch64": 183, "x86_64": 62}[OTHER])
    again = build(bench, big_recipe(source.changed(2)), where)
    assert again.sha256 != wheel.sha256
    told = [
        event.text for event in bench.events if isinstance(event, Note) and "compiled before" in event.text
    ]
    (found, objects) = map(int, re.findall(r"(\d+) of (\d+) objects", told[-1])[0])
    assert (found, objects > FOREIGN_UNITS) == (objects - 1, True)


@long
def test_an_incremental_build_for_the_other_architecture_compiles_the_changed_file_alone(
    tmp_path: Path,
) -> None:
    source = big_torch_npu(tmp_path / "servers", 8)
    servers = f"file://{tmp_path}/servers/"
    mirrors = Mirrors(prefixes={"https://github.com/Ascend/": servers, "https://code.test/Ascend/": servers})
    bench = Bench(root=tmp_path / "store", mirrors=mirrors)
    where = for_the_other({"torch": "2.8.0", "torch-npu": "2.8.0.post2"})
    by_ninja = []
    for revision in (source.commit, source.changed(2)):
        recipe = big_recipe(revision)
        built = build_component(
            recipe, where, bench.lock(recipe, where), replace(workshop(bench), incremental=True)
        )
        assert isinstance(built, list)
        assert built[0].filename.startswith("torch_npu-2.8.0.post2-0incremental-")
        assert built[0].filename.endswith(f"_{OTHER}.whl")
        (log,) = (bench.store.root / "trees").glob("*/build.log")
        by_ninja.append(log.read_text("utf-8").count("Building CXX object"))
    assert by_ninja == [8, 1]


def big_recipe(commit: str) -> Recipe:
    """Return torch_npu's recipe for the stand-in's small needs, at a commit."""
    recipe = recipe_of(
        "torch-npu", requirements=SMALL, toolchain={}, variants=[], downloads=[], memory_mb=512
    )
    url = "https://github.com/Ascend/pytorch.git"
    return recipe.model_copy(update={"origins": [GitOrigin(kind="git", url=url, ref=commit)]})


@long
def test_torch_npus_stand_in_for_the_other_architecture_is_bit_equal_under_other_conditions(
    tmp_path: Path,
) -> None:
    header = {"url": HEADER_URL, "sha256": HEADER_SHA256}
    table = {"requirements": SMALL, "toolchain": {}, "variants": [], "downloads": [header], "memory_mb": 512}
    bench = Bench(root=tmp_path / "store", mirrors=torch_npu(tmp_path / "servers").mirrors)
    refuse_differences(
        bench,
        recipe_of("torch-npu", **table),
        for_the_other({"torch": "2.8.0", "torch-npu": "2.8.0.post2"}),
    )


def test_kernels_are_built_for_the_other_architecture_with_a_toolkit_that_was_handed_over(
    tmp_path: Path,
) -> None:
    bench = Bench(root=tmp_path / "store", mirrors=kernels(tmp_path / "servers").mirrors)
    package = toolkit(tmp_path, "8.5.0", OTHER)
    vendor_file(package, store=bench.store, recipes=load_recipes(PROJECT / "recipes"))
    recipe = recipe_of("sgl-kernel-npu", requirements=SMALL, toolchain={"cann": "=={cann}"}, memory_mb=512)
    versions = {"torch": "2.8.0", "torch-npu": "2.8.0.post2", "sgl-kernel-npu": "2026.01.21"}
    wheel = build(bench, recipe, for_the_other(versions))
    assert wheel.filename.endswith(f"_{OTHER}.whl")
    assert f"{OTHER} unpacked from sha256" in wheel.toolchain["cann"]
    assert wheel.toolchain["gcc"].startswith("gcc 13.3.0 of gcc-13-")


@long
def test_an_extension_of_torch_with_templates_of_its_own_reaches_the_oldest_nodes(bench: Bench) -> None:
    where = for_the_other({"torch": "2.8.0", "torch-scatter": "2.1.2"})
    wheel = build(bench, recipe_at("torch-scatter"), where)
    assert f"manylinux_2_24_{OTHER}" in wheel.filename
