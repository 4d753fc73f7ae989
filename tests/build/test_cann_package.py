"""CANN from a `.run` that was handed over: stand-ins of its shape, made here; no file of CANN took part."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from cann_packages import listed, packed, paths, row, toolkit, wheel
from making_builds import RECIPES, SMALL, Bench, cell, recipe_of
from making_packages import makeself
from stand_ins import cann, kernels

from ascend_wheelhouse.base.errors import IntegrityError
from ascend_wheelhouse.build.cann_tree import SEEN_AT, CannPackage, NoToolkitError, handed_over, lay_cann
from ascend_wheelhouse.build.command import unfit
from ascend_wheelhouse.build.outcome import BuiltWheel
from ascend_wheelhouse.build.run_package import UnsafePackageError
from ascend_wheelhouse.build.script import StepFailedError
from ascend_wheelhouse.cells.cell import Cell
from ascend_wheelhouse.cells.recipe import Recipe
from ascend_wheelhouse.cells.recipe_files import load_recipes
from ascend_wheelhouse.handover.vendor import vendor_file
from ascend_wheelhouse.store.store import Store

HERE = platform.machine()
HEADER = f"{HERE}-linux/include/acl/acl.h"


def kernels_recipe(**changes: object) -> Recipe:
    """Return the real recipe, for this host's compiler and without torch in the environment."""
    table = {"requirements": [*SMALL, "cmake>=3.20,<4"], "toolchain": {"cann": "=={cann}"}}
    return recipe_of("sgl-kernel-npu", **(table | changes))


def kernels_cell(version: str) -> Cell:
    versions = {"torch": "2.8.0", "torch-npu": "2.8.0.post2", "sgl-kernel-npu": "2026.01.21"}
    return cell(versions, cann=version)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A bench on a host without CANN."""
    monkeypatch.delenv("ASCEND_HOME_PATH", raising=False)
    return Bench(root=tmp_path / "store", mirrors=kernels(tmp_path / "servers").mirrors)


def hand_over(package: Path, store: Store) -> CannPackage:
    """Import a package as `invoke vendor` does, and return what a build finds of it."""
    (record,) = vendor_file(package, store=store, recipes=load_recipes(RECIPES))
    found = handed_over(store, record.facts.version, HERE)
    assert found is not None
    assert found.sha256 == record.sha256
    return found


def built(bench: Bench, version: str, **changes: object) -> BuiltWheel:
    where = kernels_cell(version)
    return bench.build(kernels_recipe(**changes), where, bench.lock(kernels_recipe(), where))


@pytest.mark.network
@pytest.mark.parametrize("version", ["8.3.RC2", "8.5.0"])
def test_kernels_are_built_with_a_toolkit_that_was_handed_over(
    version: str, bench: Bench, tmp_path: Path
) -> None:
    package = hand_over(toolkit(tmp_path, version, HERE), bench.store)
    wheel = built(bench, version)
    assert f".cann{version.lower()}.a3-" in wheel.filename
    with zipfile.ZipFile(bench.store.path(wheel.sha256)) as opened:
        assert [name for name in opened.namelist() if name.endswith("kernel.so")]
    assert f"sha256 {package.sha256}" in wheel.toolchain["cann"]
    assert not Path(SEEN_AT).exists()


@pytest.mark.network
def test_a_build_sees_the_toolkit_and_its_variables_and_cannot_write_to_it(
    bench: Bench, tmp_path: Path
) -> None:
    hand_over(toolkit(tmp_path, "8.5.0", HERE), bench.store)
    told = ". {cann_set_env}; opc; echo error: $ASCEND_OPP_PATH $ASCEND_HOME_PATH; touch {cann_home}/written"
    with pytest.raises(StepFailedError) as caught:
        built(bench, "8.5.0", steps=[["bash", "-euc", told]])
    assert f"error: {SEEN_AT}/cann-8.5.0/opp {SEEN_AT}/cann-8.5.0" in caught.value.why
    assert "Read-only file system" in (bench.root / "builds").glob("*/build.log").__next__().read_text()


@pytest.mark.network
def test_a_host_with_the_right_cann_uses_its_own(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand_over(toolkit(tmp_path, "8.5.0", HERE), bench.store)
    monkeypatch.setenv("ASCEND_HOME_PATH", str(cann(tmp_path / "Ascend")))
    assert "sha256" not in built(bench, "8.5.0").toolchain["cann"]


@pytest.mark.network
def test_another_package_is_another_build(bench: Bench, tmp_path: Path) -> None:
    hand_over(toolkit(tmp_path, "8.5.0", HERE), bench.store)
    first = built(bench, "8.5.0")
    assert built(bench, "8.5.0").cached
    again = toolkit(tmp_path, "8.5.0", HERE)
    again.write_bytes(packed({"include/acl/acl.h": "// other\n", HEADER: (tmp_path / "acl.c").read_bytes()}))
    hand_over(again, bench.store)
    with pytest.raises(StepFailedError):  # it lacks the stub libraries: it was begun, and not taken as known
        built(bench, "8.5.0")
    assert not first.cached


def test_without_any_cann_the_command_that_brings_one_is_named(bench: Bench) -> None:
    pending = unfit(kernels_recipe(), kernels_cell("8.5.0"), bench.workshop)
    assert pending is not None
    assert "cann ==8.5.0 wanted" in pending.reason
    assert f"invoke vendor Ascend-cann-toolkit_8.5.0_linux-{HERE}.run" in pending.supply


def test_a_toolkit_for_another_machine_is_not_taken(bench: Bench, tmp_path: Path) -> None:
    other = "aarch64" if HERE == "x86_64" else "x86_64"
    vendor_file(toolkit(tmp_path, "8.5.0", other), store=bench.store, recipes=load_recipes(RECIPES))
    assert unfit(kernels_recipe(), kernels_cell("8.5.0"), bench.workshop) is not None


@pytest.mark.parametrize(
    ("version", "links"),
    [
        ("8.3.RC2", {"ascend-toolkit/latest": "ascend-toolkit/8.3.RC2"}),
        ("8.5.0", {"cann": "cann-8.5.0", "ascend-toolkit/latest": "cann-8.5.0"}),
    ],
)
def test_the_folders_are_those_of_an_installed_toolkit(
    version: str, links: Mapping[str, str], bench: Bench, tmp_path: Path
) -> None:
    top = lay_cann(hand_over(toolkit(tmp_path, version, HERE), bench.store), bench.store)
    for name, target in links.items():
        assert (top / name).resolve() == (top / target).resolve()
        assert (top / name / "include/acl/acl.h").is_file()
        assert (top / name / HEADER).is_file()
        assert (top / name / "runtime/lib64/stub/libascendcl.so").read_bytes()[:4] == b"\x7fELF"
        assert (top / name / f"{HERE}-linux/devlib/libascendcl.so").is_file()
        assert os.access(top / name / "bin/opc", os.X_OK)
        assert (top / name / "python/site-packages/te/__init__.py").is_file()
        assert (
            f"version={version}\n" in (top / name / f"{HERE}-linux/ascend_toolkit_install.info").read_text()
        )
    script = f'. {top}/ascend-toolkit/set_env.sh; cd "$ASCEND_HOME_PATH"; pwd -P; opc'
    told = subprocess.run(["bash", "-euc", script], capture_output=True, text=True, check=True)
    assert told.stdout.split() == [str((top / "ascend-toolkit/latest").resolve()), "opc"]


@pytest.mark.skipif(shutil.which("makeself") is None, reason="makeself is not installed")
@pytest.mark.parametrize("compressor", ["--gzip", "--xz", "--nocomp"])
def test_packages_of_the_real_makeself_are_laid_out_alike(
    compressor: str, bench: Bench, tmp_path: Path
) -> None:
    def pack(members: Mapping[str, bytes | str]) -> bytes:
        place = tmp_path / "pack"
        shutil.rmtree(place, ignore_errors=True)
        for name, data in members.items():
            path = place / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(data, str) and data.startswith("-> "):
                path.symlink_to(data.removeprefix("-> "))
                continue
            path.write_bytes(data.encode() if isinstance(data, str) else data)
            path.chmod(0o550 if "/bin/" in name else 0o440)
        done = tmp_path / "done.run"
        words = ["makeself", compressor, "--quiet", "--nox11", str(place), str(done), "toolkit", "true"]
        subprocess.run(words, check=True, capture_output=True)
        return done.read_bytes()

    made = lay_cann(hand_over(toolkit(tmp_path, "8.5.0", HERE, pack), bench.store), bench.store)
    here = lay_cann(hand_over(toolkit(tmp_path, "8.5.0", HERE), bench.store), bench.store)
    assert made != here
    assert paths(made) == paths(here)


SOUND: dict[str, bytes | str] = {"run_package/cann-npu-runtime_8.5.0_linux.run": packed({HEADER: "int x;\n"})}
LIST = "share/info/x/script/filelist.csv"
HOSTILE: dict[str, dict[str, bytes | str]] = {
    "an absolute path": {"/opt/evil": "x"},
    "a path that climbs": {"a/../../evil": "x"},
    "a link to an absolute path": {"lib64": "-> /etc"},
    "a link out": {"a/lib64": "-> ../../../evil"},
    "a file through a link": {"a": "-> b", "a/evil": "x"},
    "a part with an absolute path": {"run_package/cann-x.run": packed({"/opt/evil": "x"})},
    "a part with a link out": {"run_package/cann-x.run": packed({"a": "-> ../evil"})},
    "a part that is none": {"run_package/cann-x.run": b"#!/bin/sh\nexit 0\n"},
    "a part cut short": {"run_package/cann-x.run": packed({"a": "x"})[:-1]},
    "a list that leads out": {
        "run_package/cann-x.run": packed({"a": "x", LIST: listed(row("copy", "a", "../../../evil"))})
    },
    "a list with an absolute target": {
        "run_package/cann-x.run": packed({"a": "x", LIST: listed(row("copy", "a", "/opt/evil"))})
    },
    "a list with a source outside": {
        "run_package/cann-x.run": packed({"a": "x", LIST: listed(row("copy", "../../../../store", "a"))})
    },
    "a list with a link outside": {
        "run_package/cann-x.run": packed(
            {"a": "x", LIST: listed(row("copy", "a", "a", softlink="../../evil"))}
        )
    },
    "a list of what is not there": {
        "run_package/cann-x.run": packed({"a": "x", LIST: listed(row("copy", "b", "b"))})
    },
    "a link that leads out once it is moved up": {
        "run_package/cann-x.run": packed(
            {
                "a/b/c/up": "-> ../../..",
                LIST: listed(row("copy", "a/b/c/up", "up"), row("mkdir", "NA", "up/evil")),
            }
        )
    },
    "a link that leads out at the end": {
        "run_package/cann-x.run": packed(
            {"a/b/c/up": "-> ../../x", LIST: listed(row("copy", "a/b/c/up", "up"))}
        )
    },
    "a wheel that climbs": {
        "run_package/cann-x.run": packed({"tools/x-1-py3-none-any.whl": wheel("../../../evil")})
    },
}


@pytest.mark.parametrize("fault", HOSTILE)
def test_a_hostile_package_is_refused_and_nothing_lies_outside(
    fault: str, bench: Bench, tmp_path: Path
) -> None:
    path = tmp_path / f"Ascend-cann-toolkit_8.5.0_linux-{HERE}.run"
    path.write_bytes(packed(SOUND | HOSTILE[fault]))
    package = hand_over(path, bench.store)
    with pytest.raises(IntegrityError):
        lay_cann(package, bench.store)
    assert [path for path in tmp_path.rglob("*evil*") if "pytest" not in path.name] == []
    assert list((bench.root / "toolchains").iterdir()) == []


@pytest.mark.parametrize("content", [b"no archive", b"\x28\xb5\x2f\xfd packed otherwise"])
def test_what_is_packed_otherwise_is_told(content: bytes, bench: Bench, tmp_path: Path) -> None:
    path = tmp_path / f"Ascend-cann-toolkit_8.5.0_linux-{HERE}.run"
    path.write_bytes(makeself(content))
    with pytest.raises(UnsafePackageError, match=f"^{path.name} is not unpacked"):
        lay_cann(hand_over(path, bench.store), bench.store)


def test_a_package_without_a_toolkit_in_it_is_told(bench: Bench, tmp_path: Path) -> None:
    path = tmp_path / f"Ascend-cann-toolkit_8.5.0_linux-{HERE}.run"
    path.write_bytes(packed({"install.sh": "exit 0\n"}))
    with pytest.raises(NoToolkitError, match="holds no toolkit"):
        lay_cann(hand_over(path, bench.store), bench.store)


def test_a_package_changed_in_the_store_is_refused(bench: Bench, tmp_path: Path) -> None:
    package = hand_over(toolkit(tmp_path, "8.5.0", HERE), bench.store)
    blob = bench.store.path(package.sha256)
    blob.chmod(0o644)
    blob.write_bytes(packed({HEADER: "int other;\n"}))
    with pytest.raises(IntegrityError):
        lay_cann(replace(package), bench.store)
