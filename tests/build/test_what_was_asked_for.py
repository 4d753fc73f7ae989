"""A build is the release that was asked for, or it fails: small upstreams whose branch or tag says otherwise."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from making_builds import SMALL, Bench, cell, recipe_of
from stand_ins import HEADER_SHA256, HEADER_URL, StandIn, cann, kernels, torch_npu

from ascend_wheelhouse.base.errors import BuildError
from ascend_wheelhouse.build.job import Sources
from ascend_wheelhouse.build.making import WrongWheelError
from ascend_wheelhouse.build.outcome import BuiltWheel
from ascend_wheelhouse.cells.cell import Cell
from ascend_wheelhouse.cells.compatibility import TorchNpuRow
from ascend_wheelhouse.cells.recipe import GitOrigin, Recipe

pytestmark = pytest.mark.network

NPU_CELL = cell({"torch": "2.8.0", "torch-npu": "2.8.0.post2"})
HEADER = {"url": HEADER_URL, "sha256": HEADER_SHA256}
ROW = TorchNpuRow(version="2.8.0.post2", torch="2.8.0", ascend="7.3.0", cann="8.5.0")


def npu_recipe(**changes: object) -> Recipe:
    table = {"requirements": SMALL, "toolchain": {}, "variants": [], "downloads": [HEADER], "memory_mb": 512}
    return recipe_of("torch-npu", **(table | changes))


@pytest.fixture(scope="module")
def npu(tmp_path_factory: pytest.TempPathFactory) -> StandIn:
    """A torch_npu whose branch went on after its release, as upstream's does."""
    return torch_npu(tmp_path_factory.mktemp("servers"), later="2.8.0.post3")


@pytest.fixture(scope="module")
def bench(npu: StandIn, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(root=tmp_path_factory.mktemp("store"), mirrors=npu.mirrors)


def locked(bench: Bench, row: TorchNpuRow | None) -> Sources:
    """Pin the source as a row of the table names it."""
    known = {"branch": row.branch, "release": row.release} if row else {}
    return replace(bench, fields=known).lock(npu_recipe(), NPU_CELL)


def test_a_row_with_a_commit_builds_that_release_although_its_branch_went_on(
    bench: Bench, npu: StandIn
) -> None:
    sources = locked(bench, ROW.model_copy(update={"commit": npu.release}))
    assert sources.commit == npu.release
    wheel = bench.build(npu_recipe(), NPU_CELL, sources)
    assert (wheel.filename.split("-")[1], sources.as_dict()["git"]["kind"]) == ("2.8.0.post2", "commit")


@pytest.mark.parametrize("row", [ROW, None], ids=["a row without a commit", "no row"])
def test_a_branch_that_went_on_is_refused_with_both_versions_and_what_to_write_down(
    row: TorchNpuRow | None, bench: Bench
) -> None:
    sources = locked(bench, row)
    assert sources.as_dict()["git"]["ref"] == "v2.8.0-7.3.0"
    with pytest.raises(
        WrongWheelError, match=r"version is 2\.8\.0\.post3, asked for was 2\.8\.0\.post2"
    ) as caught:
        bench.build(npu_recipe(), NPU_CELL, sources)
    assert caught.value.exit_code == BuildError.exit_code
    assert f"branch v2.8.0-7.3.0, {sources.commit[:12]}" in caught.value.why
    assert "`commit` of its row in recipes/compatibility.toml" in caught.value.next_step


def test_a_local_version_that_the_recipe_does_not_replace_is_another_version(
    bench: Bench, npu: StandIn
) -> None:
    """As torch_npu's own build gives where nothing keeps it from naming the commit."""
    sources = locked(bench, ROW.model_copy(update={"commit": npu.release}))
    variables = {name: text for name, text in recipe_env().items() if name != "BUILD_WITHOUT_SHA"}
    with pytest.raises(WrongWheelError, match=rf"version is 2\.8\.0\.post2\+git{npu.release[:7]}, asked"):
        bench.build(npu_recipe(env=variables), NPU_CELL, sources)


def recipe_env() -> dict[str, str]:
    build = npu_recipe().build
    assert build is not None
    return dict(build.env)


def kernel(name: str, folder: Path, *, tag: str = "2026.01.21", config: str, **changes: object) -> BuiltWheel:
    """Build one of the kernels' recipes from a stand-in whose config.ini has a version of its own."""
    bench = Bench(root=folder / "store", mirrors=kernels(folder / "servers", config=config).mirrors)
    table = {"requirements": [*SMALL, "cmake>=3.20,<4"], "toolchain": {"cann": "=={cann}"}}
    recipe = recipe_of(name, **table, **changes)
    where: Cell = cell({"torch": "2.8.0", "torch-npu": "2.8.0.post2", name: tag})
    return bench.build(recipe, where, bench.lock(recipe, where))


@pytest.fixture
def cann_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASCEND_HOME_PATH", str(cann(tmp_path / "Ascend")))


@pytest.mark.usefixtures("cann_home")
def test_kernels_whose_wheel_is_not_called_as_their_tag_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        WrongWheelError, match=r"its version is 2025\.12\.14\+\w{8}, asked for was 2026\.1\.21"
    ) as caught:
        kernel("sgl-kernel-npu", tmp_path, config="2025.12.14")
    assert "tag 2026.01.21" in caught.value.why
    assert "`wheel_version` in the [build] table of recipes/sgl-kernel-npu.toml" in caught.value.next_step


@pytest.mark.usefixtures("cann_home")
def test_a_deep_ep_of_another_version_than_its_recipe_says_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WrongWheelError, match=r"its version is 1\.0\.0\+\w{8}, asked for was 1\.1\.0"):
        kernel("deep-ep", tmp_path, config="2026.1.21", wheel_version="1.1.0")


def test_every_origin_in_git_that_is_built_names_a_release_and_no_branch() -> None:
    """A branch gives another source tomorrow: recipes name tags, or the table's commits."""
    refs = {
        name: [one.ref for one in recipe_of(name).origins if isinstance(one, GitOrigin)]
        for name in ("torch-npu", "sgl-kernel-npu", "deep-ep", "sglang")
    }
    assert refs == {
        "torch-npu": ["{release}"],
        "sgl-kernel-npu": ["{version}"],
        "deep-ep": ["{version}"],
        "sglang": ["v{version}"],
    }
