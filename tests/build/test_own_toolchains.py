from __future__ import annotations

import os
import platform
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from making_builds import HOST_GLIBC, Bench, cell, sdist_recipe
from toolchain_locks import toolchain_lock

from ascend_wheelhouse.base.interpreters import find_python
from ascend_wheelhouse.base.toml_file import InvalidFilesError
from ascend_wheelhouse.build.command import Workshop
from ascend_wheelhouse.build.own_toolchains import OwnToolchains
from ascend_wheelhouse.build.toolchain import ToolchainUnfitError
from ascend_wheelhouse.cells.request import Request
from ascend_wheelhouse.cells.spec import BuildTable
from ascend_wheelhouse.cells.target import Target
from ascend_wheelhouse.cells.toolchains import ToolchainFor, ToolchainRecipe, read_toolchains
from ascend_wheelhouse.locks.toolchain_lock import write_toolchain
from ascend_wheelhouse.pin.toolchains import (
    NoSysrootError,
    NoToolchainPythonError,
    lock_toolchain,
    sysroot_of,
)
from ascend_wheelhouse.store.store import Store

RECIPES = Path(__file__).parents[2] / "recipes"
AARCH64 = Target(machine="aarch64")


def gcc_13() -> ToolchainRecipe:
    return next(one for one in read_toolchains(RECIPES) if one.name == "gcc-13")


def own(folder: Path, *recipes: ToolchainRecipe) -> OwnToolchains:
    store = Store(folder / "store")
    return OwnToolchains(
        recipes=recipes, lockfiles=folder / "lockfiles", store=store, host=platform.machine()
    )


def spec(**bounds: str) -> BuildTable:
    return BuildTable.model_validate({"toolchain": bounds, "steps": [["true"]], "distributions": ["x"]})


@pytest.mark.parametrize(
    ("glibc", "sysroot"), [((2, 28), "2.31"), ((2, 31), "2.31"), ((2, 34), "2.36"), ((2, 36), "2.36")]
)
def test_the_c_library_is_the_oldest_that_has_all_that_nodes_have(
    glibc: tuple[int, int], sysroot: str
) -> None:
    found = gcc_13().sysroot(glibc)
    assert found is not None
    assert found.glibc == sysroot


def test_no_c_library_is_taken_that_lacks_what_nodes_have() -> None:
    assert gcc_13().sysroot((2, 41)) is None


def test_the_newest_compiler_within_the_bounds_is_taken(tmp_path: Path) -> None:
    older = gcc_13().model_copy(update={"name": "gcc-11", "gcc": "11.5.0"})
    both = own(tmp_path, gcc_13(), older)
    where = cell({"torch": "2.8.0"})
    newest = both.choose(spec(gcc=">=11").resolve(where), AARCH64)
    bound = both.choose(spec(gcc=">=11.2,<12").resolve(where), AARCH64)
    assert newest is not None
    assert bound is not None
    assert (newest.recipe.gcc, bound.recipe.gcc) == ("13.3.0", "11.5.0")
    assert both.choose(spec(gcc=">=14").resolve(where), AARCH64) is None


def test_everything_that_is_missing_is_told_at_once(tmp_path: Path) -> None:
    where = cell({"torch": "2.8.0"})
    with pytest.raises(ToolchainUnfitError) as caught:
        own(tmp_path, gcc_13()).rooted(spec(gcc=">=14", cann="==8.5.0").resolve(where), AARCH64)
    assert "gcc >=14 for glibc 2.28 wanted, there is gcc-13 (13.3.0)" in caught.value.what
    assert "cann ==8.5.0 wanted" in caught.value.what


def test_packages_that_are_not_here_are_counted_and_the_command_that_brings_them_is_named(
    tmp_path: Path,
) -> None:
    here = Target(machine=platform.machine())  # type: ignore[arg-type]
    wanted = ToolchainFor(recipe=gcc_13(), host=platform.machine(), target=here)
    write_toolchain(replace(toolchain_lock(), name=wanted.name), tmp_path / "lockfiles")
    with pytest.raises(
        ToolchainUnfitError, match=f"2 packages of {wanted.name} are not in the store"
    ) as caught:
        own(tmp_path, gcc_13()).rooted(spec().resolve(cell({"torch": "2.8.0"})), here)
    assert caught.value.next_step == f"invoke toolchain --name gcc-13 --platform {here.machine}"


def test_a_toolchain_that_is_not_locked_is_locked_by_the_command_that_is_named(tmp_path: Path) -> None:
    here = Target(machine=platform.machine())  # type: ignore[arg-type]
    with pytest.raises(ToolchainUnfitError, match="is not locked") as caught:
        own(tmp_path, gcc_13()).rooted(spec().resolve(cell({"torch": "2.8.0"})), here)
    assert caught.value.next_step.endswith(" --lock")


def test_the_command_that_is_named_is_about_the_same_nodes(tmp_path: Path) -> None:
    newer = Target.named(platform.machine(), glibc="2.34")
    with pytest.raises(ToolchainUnfitError, match="is not locked") as caught:
        own(tmp_path, gcc_13()).rooted(spec().resolve(cell({"torch": "2.8.0"})), newer)
    assert caught.value.next_step.endswith(" --glibc 2.34 --lock")
    assert "--glibc 2.34" in Request(torch="2.8.0", target=newer).words


def test_nodes_newer_than_every_c_library_are_told_so() -> None:
    wanted = ToolchainFor(recipe=gcc_13(), host="x86_64", target=Target.named("aarch64", glibc="2.40"))
    with pytest.raises(NoSysrootError, match=r"no C library for glibc 2\.40"):
        sysroot_of(wanted)


def test_a_host_that_does_not_fit_is_told_with_what_ours_lack(tmp_path: Path) -> None:
    where = cell({"torch": "2.8.0"})
    workshop = Workshop(store=Store(tmp_path / "store"), own=own(tmp_path, gcc_13()))
    with pytest.raises(ToolchainUnfitError) as caught:
        workshop.tools(spec(gcc=">=99").resolve(where), where)
    assert "gcc >=99 wanted, found" in caught.value.what
    assert "No toolchain of ours builds this" in caught.value.what


def test_the_hosts_own_can_be_insisted_on(tmp_path: Path) -> None:
    where = cell({"torch": "2.8.0"})
    workshop = Workshop(store=Store(tmp_path / "store"), own=own(tmp_path, gcc_13()), toolchain="host")
    with pytest.raises(ToolchainUnfitError) as caught:
        workshop.tools(spec(gcc=">=99").resolve(where), where)
    assert "toolchain of ours" not in caught.value.what


def test_every_fault_of_every_recipe_is_told(tmp_path: Path) -> None:
    (tmp_path / "toolchains").mkdir()
    for name in ("one", "two"):
        (tmp_path / "toolchains" / f"{name}.toml").write_text('name = "x"\ngcc = 13\n')
    with pytest.raises(InvalidFilesError) as caught:
        read_toolchains(tmp_path)
    assert {problem.file for problem in caught.value.problems} == {
        "recipes/toolchains/one.toml",
        "recipes/toolchains/two.toml",
    }


def test_a_python_that_no_system_of_ours_has_is_told_with_those_that_there_are(tmp_path: Path) -> None:
    newer = Target.named("aarch64", python="3.12")
    with pytest.raises(ToolchainUnfitError) as caught:
        own(tmp_path, gcc_13()).rooted(spec(gcc=">=13").resolve(cell({"torch": "2.8.0"})), newer)
    assert (
        "gcc >=13 for glibc 2.28 and Python 3.12 wanted, there is gcc-13 (13.3.0) with Python 3.11"
        in caught.value.what
    )
    wanted = ToolchainFor(recipe=gcc_13(), host="x86_64", target=newer)
    with pytest.raises(NoToolchainPythonError, match=r"^gcc-13 has no Python 3\.12\.") as told:
        lock_toolchain(wanted)
    assert "Debian bookworm, which has 3.11" in told.value.why
    assert told.value.exit_code == 3


def test_a_build_for_a_python_that_this_host_lacks_is_told_with_what_ours_lack(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", os.defpath)
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    monkeypatch.setenv("UV_PYTHON_INSTALL_DIR", str(tmp_path / "uv"))
    if find_python("3.12"):
        pytest.skip("the system itself has Python 3.12")
    where = replace(cell({"torch": "2.8.0"}), target=Target.named(platform.machine(), python="3.12"))
    workshop = Workshop(store=Store(tmp_path / "store"), own=own(tmp_path, gcc_13()))
    with pytest.raises(ToolchainUnfitError) as caught:
        workshop.tools(spec().resolve(where), where)
    assert caught.value.what.startswith("This host has no CPython 3.12. No toolchain of ours builds this")


@pytest.mark.skipif(find_python("3.12") is None, reason="this host has no Python 3.12")
def test_a_build_for_another_python_takes_the_hosts_own_of_that_version(tmp_path: Path) -> None:
    where = replace(cell({"torch": "2.8.0"}), target=Target.named(platform.machine(), python="3.12"))
    workshop = Workshop(store=Store(tmp_path / "store"), toolchain="host")
    _, _, interpreter = workshop.tools(spec().resolve(where), where)
    assert interpreter.program.name == "python3.12"
    assert (interpreter.prefix / "include/python3.12/Python.h").is_file()


@pytest.mark.network
@pytest.mark.skipif(find_python("3.12") is None, reason="this host has no Python 3.12")
def test_an_extension_is_compiled_for_another_python_than_the_one_that_builds(tmp_path: Path) -> None:
    """A real project of the index, with its wheel tag and its extension's name those of Python 3.12."""
    target = replace(Target.named(platform.machine(), python="3.12"), glibc=HOST_GLIBC)
    where = replace(cell({"torch": "2.8.0", "xxhash": "3.6.0"}), target=target)
    recipe, bench = sdist_recipe("xxhash"), Bench(root=tmp_path / "store")
    wheel = bench.build(recipe, where, bench.lock(recipe, where))
    assert "-cp312-cp312-" in wheel.filename
    with zipfile.ZipFile(bench.store.path(wheel.sha256)) as packed:
        assert any(".cpython-312-" in name for name in packed.namelist())
