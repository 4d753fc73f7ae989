"""Builds of small upstreams that keep the traps of the real ones; the build environments come from the index."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from making_builds import SMALL, Bench, cell, recipe_of
from stand_ins import HEADER_SHA256, HEADER_URL, StandIn, cann, kernels, torch_npu
from upstreams import commit, git

from ascend_wheelhouse.base.errors import IntegrityError
from ascend_wheelhouse.build.command import build_component, unfit
from ascend_wheelhouse.build.job import Sources
from ascend_wheelhouse.build.outcome import BuiltWheel, PendingBuild
from ascend_wheelhouse.build.patches import EditFailedError, PatchFailedError
from ascend_wheelhouse.build.repair import BuilderTraceError
from ascend_wheelhouse.build.script import NetworkWantedError, StepFailedError
from ascend_wheelhouse.cells.cell import Cell
from ascend_wheelhouse.cells.recipe import Recipe
from ascend_wheelhouse.origins.mirrors import Mirrors
from ascend_wheelhouse.store.store import Store

pytestmark = pytest.mark.network

NPU_CELL = cell({"torch": "2.8.0", "torch-npu": "2.8.0.post2"})
HEADER = {"url": HEADER_URL, "sha256": HEADER_SHA256}


def npu_recipe(**changes: object) -> Recipe:
    """Return torch_npu's own recipe, for the stand-in's small needs and for this host's compiler."""
    table = {"requirements": SMALL, "toolchain": {}, "variants": [], "downloads": [HEADER], "memory_mb": 512}
    return recipe_of("torch-npu", **(table | changes))


@pytest.fixture(scope="module")
def npu(tmp_path_factory: pytest.TempPathFactory) -> StandIn:
    return torch_npu(tmp_path_factory.mktemp("servers"))


@pytest.fixture(scope="module")
def bench(npu: StandIn, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(root=tmp_path_factory.mktemp("store"), mirrors=npu.mirrors)


@pytest.fixture(scope="module")
def sources(bench: Bench) -> Sources:
    return bench.lock(npu_recipe(), NPU_CELL)


@pytest.fixture(scope="module")
def built(bench: Bench, sources: Sources) -> BuiltWheel:
    return bench.build(npu_recipe(), NPU_CELL, sources)


def changed(sources: Sources, npu: StandIn, files: dict[str, str], bench: Bench) -> Sources:
    """Return the sources of a new commit on a branch of its own."""
    git(npu.top, "checkout", "--quiet", "-B", "trial", "v2.8.0-7.3.0")
    commit(npu.top, files)
    recipe = npu_recipe()
    (origin,) = (one for one in recipe.origins if one.kind == "git")
    trial = origin.model_copy(update={"ref": "trial"})
    locked = bench.lock(recipe.model_copy(update={"origins": [trial]}), NPU_CELL)
    git(npu.top, "checkout", "--quiet", "main")
    return replace(sources, tree=locked.tree)


def test_torch_npus_recipe_builds_its_stand_in_without_a_network(built: BuiltWheel) -> None:
    assert built.filename.startswith("torch_npu-2.8.0.post2-cp311-cp311-manylinux")
    assert built.sandbox == "bubblewrap"
    assert built.toolchain["gcc"].startswith("gcc")


def test_the_wheel_has_every_generated_part_and_leaves_cann_to_the_host(
    bench: Bench, built: BuiltWheel
) -> None:
    with zipfile.ZipFile(bench.store.path(built.sha256)) as wheel:
        version = wheel.read("torch_npu/version.py").decode()
        names = wheel.namelist()
    assert "__version__ = '2.8.0.post2'" in version
    assert any(name.startswith("torch_npu/_C") for name in names)
    assert not any("hccl" in name for name in names)


def test_the_branch_for_a_torch_outside_the_table_is_found_on_the_server(sources: Sources) -> None:
    table = sources.as_dict()["git"]
    assert table["ref"] == "v2.8.0-7.3.0"
    assert [row["path"] for row in table["modules"]] == [
        ".",
        "third_party/op-plugin",
        "third_party/op-plugin/deps/operators",
    ]


def test_a_build_with_nothing_changed_is_not_done_again(
    bench: Bench, sources: Sources, built: BuiltWheel
) -> None:
    again = bench.build(npu_recipe(), NPU_CELL, sources)
    assert (again.cached, again.sha256) == (True, built.sha256)
    assert not list((bench.root / "builds").glob("*"))


def test_a_build_that_downloads_is_stopped_and_the_url_is_told(bench: Bench, sources: Sources) -> None:
    recipe = npu_recipe(downloads=[])
    with pytest.raises(NetworkWantedError, match=HEADER_URL) as caught:
        bench.build(recipe, NPU_CELL, sources)
    assert "[[build.downloads]]" in caught.value.next_step


def test_a_build_that_asks_for_a_host_is_told_which(npu: StandIn, bench: Bench, sources: Sources) -> None:
    script = "#!/bin/bash\npython3 -c 'import urllib.request as u; u.urlopen(\"https://nowhere.test/x\")'\n"
    asking = changed(sources, npu, {"generate_code.sh": script}, bench)
    with pytest.raises(NetworkWantedError, match=r"nowhere\.test"):
        bench.build(npu_recipe(), NPU_CELL, asking)


def test_a_compiler_error_shows_its_lines_and_keeps_the_folder(
    npu: StandIn, bench: Bench, sources: Sources
) -> None:
    broken = changed(sources, npu, {"torch_npu/csrc/init.cpp": "int f() { return missing; }\n"}, bench)
    with pytest.raises(StepFailedError, match="ended with status 1") as caught:
        bench.build(npu_recipe(), NPU_CELL, broken)
    assert "was not declared in this scope" in caught.value.why
    shell = Path(caught.value.next_step.split()[1])
    assert shell.is_relative_to(bench.root / "builds")
    assert "was not declared" in (shell.parent / "build.log").read_text()
    assert "--ro-bind" in shell.read_text()


def test_a_wheel_that_carries_a_path_of_the_builder_is_caught(
    npu: StandIn, bench: Bench, sources: Sources
) -> None:
    text = "from torch_npu.version import __version__\n"
    script = (
        "#!/bin/sh\nset -e\ncd $(dirname $0)\ngcc -fPIC -shared -o libhccl.so -Wl,-soname,libhccl.so hccl.c\n"
    )
    script += "echo \"PLACE = '$PWD'\" >> ../../../torch_npu/__init__.py\n"
    files = {"third_party/acl/libs/build_stub.sh": script, "torch_npu/__init__.py": text}
    with pytest.raises(BuilderTraceError, match=r"torch_npu/__init__\.py: /build/source/"):
        bench.build(npu_recipe(), NPU_CELL, changed(sources, npu, files, bench))


PATCH = """--- a/torch_npu/__init__.py
+++ b/torch_npu/__init__.py
@@ -1 +1,2 @@
 from torch_npu.version import __version__
+PATCHED = True
"""


def test_a_patch_gives_another_key_and_is_in_the_wheel(
    bench: Bench, sources: Sources, built: BuiltWheel, tmp_path: Path
) -> None:
    folder = tmp_path / "torch-npu" / ">=2.8,<2.9"
    folder.mkdir(parents=True)
    (folder / "01-mark.patch").write_text(PATCH)
    patched = replace(bench, patches=tmp_path).lock(npu_recipe(), NPU_CELL)
    wheel = bench.build(npu_recipe(), NPU_CELL, patched)
    assert wheel.key != built.key
    with zipfile.ZipFile(bench.store.path(wheel.sha256)) as opened:
        assert b"PATCHED = True" in opened.read("torch_npu/__init__.py")
    assert bench.build(npu_recipe(), NPU_CELL, sources).cached


def test_a_patch_that_does_not_apply_stops_the_build(bench: Bench, tmp_path: Path) -> None:
    folder = tmp_path / "torch-npu" / ">=2.6"
    folder.mkdir(parents=True)
    (folder / "01-stale.patch").write_text(PATCH.replace("torch_npu.version", "elsewhere"))
    stale = replace(bench, patches=tmp_path).lock(npu_recipe(), NPU_CELL)
    with pytest.raises(PatchFailedError, match=r"01-stale\.patch does not apply"):
        bench.build(npu_recipe(), NPU_CELL, stale)


def test_a_required_edit_that_finds_nothing_stops_the_build(bench: Bench, sources: Sources) -> None:
    edit = {"path": "ci/build.sh", "find": "not there", "replace": ""}
    with pytest.raises(EditFailedError, match=r"ci/build\.sh finds nothing"):
        bench.build(npu_recipe(edits=[edit]), NPU_CELL, sources)


def test_a_submodule_whose_server_is_gone_is_built_from_its_bundle(
    bench: Bench, sources: Sources, tmp_path: Path
) -> None:
    other = replace(bench, root=tmp_path / "other")
    for sha256 in [blob.sha256 for blob in bench.store.blobs()]:
        other.store.add(bench.store.path(sha256))
    for commit_id in (module["commit"] for module in sources.as_dict()["git"]["modules"]):
        record = bench.store.result(f"git-{commit_id}")
        assert record is not None
        other.store.put_result(f"git-{commit_id}", record)
    assert other.build(npu_recipe(), NPU_CELL, sources).filename


def test_an_altered_wheel_of_the_build_environment_is_refused(
    bench: Bench, sources: Sources, tmp_path: Path
) -> None:
    altered = replace(sources.environment[0], sha256=Store(tmp_path / "s").add(Path(__file__)))
    forged = replace(sources, environment=(altered, *sources.environment[1:]))
    with pytest.raises(IntegrityError):
        bench.build(npu_recipe(), NPU_CELL, forged)


def test_a_missing_toolchain_makes_a_component_pending_with_the_reason(
    bench: Bench, sources: Sources
) -> None:
    recipe = npu_recipe(toolchain={"gcc": ">=99"})
    pending = build_component(recipe, NPU_CELL, sources, bench.workshop)
    assert isinstance(pending, PendingBuild)
    assert "gcc >=99 wanted" in pending.reason
    assert unfit(npu_recipe(), NPU_CELL, bench.workshop) is None


@pytest.fixture(scope="module")
def kernel_bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    folder = tmp_path_factory.mktemp("kernels")
    return Bench(root=folder / "store", mirrors=kernels(folder / "servers").mirrors)


@pytest.fixture
def cann_home(kernel_bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A CANN 8.5, whose set_env.sh lies inside."""
    home = kernel_bench.root.parent / "Ascend" / "cann-8.5.0"
    if not home.exists():
        cann(home.parent)
    monkeypatch.setenv("ASCEND_HOME_PATH", str(home))
    return home


def kernels_recipe(name: str, bounds: dict[str, str] | None = None) -> Recipe:
    """Return the real recipe, for this host's compiler and without torch in the environment."""
    return recipe_of(name, requirements=[*SMALL, "cmake>=3.20,<4"], toolchain=bounds or {"cann": "=={cann}"})


def kernels_cell(name: str, npu: str) -> Cell:
    versions = {"torch": "2.8.0", "torch-npu": "2.8.0.post2", name: "2026.01.21"}
    return cell(versions, npu="910b" if npu == "910b" else "a3")


@pytest.mark.usefixtures("cann_home")
@pytest.mark.parametrize(
    ("name", "npu", "module", "soc"),
    [
        ("sgl-kernel-npu", "a3", "kernels", "Ascend910_9382"),
        ("deep-ep", "a3", "deepep", "Ascend910_9382"),
        ("deep-ep", "910b", "deepep2", "Ascend910B1"),
    ],
)
def test_the_kernel_recipes_build_their_stand_in_for_each_chip(
    name: str, npu: str, module: str, soc: str, kernel_bench: Bench
) -> None:
    bench, where = kernel_bench, kernels_cell(name, npu)
    sources = bench.lock(kernels_recipe(name), where)
    wheel = bench.build(kernels_recipe(name), where, sources)
    assert f"+{sources.commit[:8]}.cann8.5.0.{npu}-" in wheel.filename
    with zipfile.ZipFile(bench.store.path(wheel.sha256)) as opened:
        (library,) = (opened.read(member) for member in opened.namelist() if member.endswith("kernel.so"))
    assert f"{soc}".encode() in library
    assert module.encode() in library


@pytest.mark.usefixtures("cann_home")
def test_without_the_cells_cann_the_kernels_are_pending_and_the_versions_found_are_told(
    kernel_bench: Bench,
) -> None:
    where = kernels_cell("deep-ep", "a3")
    pending = unfit(kernels_recipe("deep-ep", {"cann": "==8.3.RC2"}), where, kernel_bench.workshop)
    assert pending is not None
    assert "cann ==8.3.RC2 wanted, found 8.5.0" in pending.reason
    assert "invoke vendor" in pending.supply


TRACED = """
from setuptools import Extension, setup
extension = Extension("traced", ["traced.c"], extra_compile_args=["-g", "-O2"])
setup(name="traced", version="1.0", ext_modules=[extension])
"""
TRACED_C = """
#include <Python.h>
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "traced", NULL, -1, NULL};
PyMODINIT_FUNC PyInit_traced(void) { return PyModule_Create(&module); }
"""


@pytest.mark.parametrize("kept", [False, True])
def test_debug_information_is_left_out_unless_the_recipe_keeps_it(*, kept: bool, tmp_path: Path) -> None:
    commit(tmp_path / "servers/traced.git", {"setup.py": TRACED, "traced.c": TRACED_C})
    bench = Bench(
        root=tmp_path / "store",
        mirrors=Mirrors(prefixes={"https://hub.test/": f"file://{tmp_path}/servers/"}),
    )
    recipe = Recipe.model_validate(
        {
            "name": "traced",
            "distribution": "traced",
            "summary": "An extension that asks for debug information.",
            "licence": "MIT",
            "origins": [{"kind": "git", "url": "https://hub.test/traced.git", "ref": "main"}],
            "build": {
                "backend": "pep517",
                "requirements": SMALL,
                "distributions": ["traced"],
                "debug_info": kept,
            },
        }
    )
    where = cell({"torch": "2.6.0", "traced": "1.0"})
    built = bench.build(recipe, where, bench.lock(recipe, where))
    with zipfile.ZipFile(bench.store.path(built.sha256)) as wheel:
        (library,) = (name for name in wheel.namelist() if name.endswith(".so"))
        sections = {part.name for part in ELFFile(BytesIO(wheel.read(library))).iter_sections()}
    assert (".debug_info" in sections) is kept
