"""From an origin through the lock file to the wheel, as `invoke wheelhouse --build` goes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from making_builds import SMALL, Bench, cell, recipe_of
from stand_ins import HEADER_SHA256, HEADER_URL, StandIn, torch_npu
from upstreams import commit, git

from ascend_wheelhouse.build.locked import PatchesChangedError
from ascend_wheelhouse.cells.recipe import GitOrigin
from ascend_wheelhouse.locks.lock import Inputs, Lock, LockedSource, Pending, load, save
from ascend_wheelhouse.locks.pylock import LockedFile
from ascend_wheelhouse.make.source_wheels import build_one
from ascend_wheelhouse.origins.git import RefMovedError
from ascend_wheelhouse.pin.locate import ToBuild
from ascend_wheelhouse.pin.source_builds import SourceBuilds
from ascend_wheelhouse.store.git_source import bundle_of

pytestmark = pytest.mark.network

CELL = cell({"torch": "2.8.0", "torch-npu": "2.8.0.post2"})
HEADER = {"url": HEADER_URL, "sha256": HEADER_SHA256}
RECIPE = recipe_of(
    "torch-npu", requirements=SMALL, toolchain={}, variants=[], downloads=[HEADER], memory_mb=512
)
ANSWER = ToBuild(
    recipe=RECIPE,
    version="2.8.0.post2",
    origin=next(one for one in RECIPE.origins if isinstance(one, GitOrigin)),
)


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> StandIn:
    return torch_npu(tmp_path_factory.mktemp("servers"))


@pytest.fixture(scope="module")
def bench(stand_in: StandIn, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(root=tmp_path_factory.mktemp("store"), mirrors=stand_in.mirrors)


@pytest.fixture(scope="module")
def locked(bench: Bench) -> LockedSource:
    found = builds(bench).lock(ANSWER, CELL.fields)
    assert isinstance(found, LockedSource)
    return found


@pytest.fixture
def branch(stand_in: StandIn) -> Iterator[str]:
    """The branch that the lock names, put back at the end."""
    name = "v2.8.0-7.3.0"
    before = git(stand_in.top, "rev-parse", name)
    yield name
    git(stand_in.top, "checkout", "--quiet", "main")
    git(stand_in.top, "branch", "--force", name, before)


def builds(bench: Bench, *, offline: bool = False) -> SourceBuilds:
    return SourceBuilds(cell=CELL, locker=bench.locker, offline=offline)


def read_back(source: LockedSource, folder: Path) -> LockedSource:
    """Return the source after its way through `lockfiles/`."""
    lock = Lock(
        stack=CELL.stack_id,
        platform=CELL.target.machine,
        cell=CELL.as_manifest(),
        derived=False,
        recipes_digest="0" * 64,
        wheels=(),
        sources=(source,),
        inputs=Inputs(requirements=("torch",)),
    )
    save(lock, CELL.target, folder)
    loaded = load(folder, CELL)
    assert loaded is not None
    return loaded.sources[0]


def test_a_locked_source_reads_back_from_its_file_and_builds(
    bench: Bench, locked: LockedSource, tmp_path: Path
) -> None:
    again = read_back(locked, tmp_path)
    assert builds(bench).sources(again, RECIPE) == builds(bench).sources(locked, RECIPE)
    wheel = build_one(builds(bench, offline=True), RECIPE, again, bench.workshop)
    assert isinstance(wheel, LockedFile)
    assert (wheel.name, wheel.version, wheel.component) == ("torch-npu", "2.8.0.post2", "torch-npu")
    assert bench.store.has(wheel.sha256)


def test_the_lock_names_no_host_but_upstreams_and_no_path(
    bench: Bench, locked: LockedSource, tmp_path: Path
) -> None:
    read_back(locked, tmp_path)
    text = (tmp_path / f"sources.{CELL.target.machine}.toml").read_text()
    assert str(bench.root) not in text
    assert "file://" not in text
    assert "https://code.test/Ascend/op-plugin.git" in text
    assert locked.commit in text


def test_a_store_without_the_commits_fetches_those_of_the_lock(
    bench: Bench, locked: LockedSource, tmp_path: Path
) -> None:
    fresh = replace(bench, root=tmp_path / "fresh")
    assert bundle_of(fresh.store, locked.commit) is None
    assert builds(fresh).sources(locked, RECIPE).commit == locked.commit
    assert bundle_of(fresh.store, locked.commit) is not None


def test_a_branch_rewritten_under_the_lock_is_refused_by_a_fresh_store(
    stand_in: StandIn, bench: Bench, locked: LockedSource, branch: str, tmp_path: Path
) -> None:
    git(stand_in.top, "checkout", "--quiet", branch)
    git(stand_in.top, "commit", "--quiet", "--amend", "--message", "Rewritten")
    with pytest.raises(RefMovedError, match="the branch was rewritten"):
        builds(replace(bench, root=tmp_path / "fresh")).sources(locked, RECIPE)


def test_a_branch_that_went_on_builds_the_locked_commit(
    stand_in: StandIn, bench: Bench, locked: LockedSource, branch: str, tmp_path: Path
) -> None:
    git(stand_in.top, "checkout", "--quiet", branch)
    commit(stand_in.top, {"README.md": "later\n"})
    assert builds(replace(bench, root=tmp_path / "fresh")).sources(locked, RECIPE).commit == locked.commit


def test_patches_that_are_not_the_locks_are_told(bench: Bench, locked: LockedSource, tmp_path: Path) -> None:
    folder = tmp_path / "torch-npu" / ">=2.6"
    folder.mkdir(parents=True)
    (folder / "01-new.patch").write_text("--- a/x\n+++ b/x\n")
    with pytest.raises(PatchesChangedError, match="patches of torch-npu"):
        builds(replace(bench, patches=tmp_path)).sources(locked, RECIPE)


def test_a_source_that_no_server_has_is_pending_and_not_a_crash(bench: Bench, tmp_path: Path) -> None:
    lost = replace(ANSWER, origin=ANSWER.origin.model_copy(update={"ref": "v0-nowhere"}))
    found = builds(replace(bench, root=tmp_path / "other")).lock(lost, CELL.fields)
    assert isinstance(found, Pending)
    assert "no tag or branch 'v0-nowhere'" in found.reason


def test_what_this_builder_cannot_build_is_pending(bench: Bench, locked: LockedSource) -> None:
    recipe = recipe_of("torch-npu", requirements=SMALL, toolchain={"gcc": ">=99"}, variants=[])
    found = build_one(builds(bench), recipe, locked, bench.workshop)
    assert isinstance(found, Pending)
    assert "gcc >=99 wanted" in found.reason
