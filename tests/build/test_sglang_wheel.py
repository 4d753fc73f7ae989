"""SGLang's NPU wheel, locked against the index and built from its sdist."""

from __future__ import annotations

import hashlib
import os
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from zipfile import ZipFile

import pytest
from making_builds import RECIPES, Bench
from packaging.requirements import Requirement
from packaging.version import Version

from ascend_wheelhouse.base.events import silent
from ascend_wheelhouse.build.build_table import KEY
from ascend_wheelhouse.cells.cell import Cell
from ascend_wheelhouse.cells.project import runtime_requirements
from ascend_wheelhouse.cells.recipe import Recipe, SdistOrigin
from ascend_wheelhouse.cells.target import MACHINES, Target
from ascend_wheelhouse.fetch.fetch import fetch_all
from ascend_wheelhouse.fetch.transfer import Download
from ascend_wheelhouse.locks.lock import LockedSource, sources_in
from ascend_wheelhouse.locks.pylock import LockedFile
from ascend_wheelhouse.make.source_wheels import build_one
from ascend_wheelhouse.origins.http import Http
from ascend_wheelhouse.origins.index import Finder
from ascend_wheelhouse.pin.locate import ToBuild
from ascend_wheelhouse.pin.source_builds import SourceBuilds
from ascend_wheelhouse.wheels.wheel import WheelFile

RECIPE = Recipe.model_validate(tomllib.loads((RECIPES / "sglang.toml").read_text()))
VERSION = "0.5.6.post2"
LOCKS = sorted((RECIPES.parent / "lockfiles").glob(f"sglang{VERSION}-*/sources.*.toml"))

pytestmark = [pytest.mark.network, pytest.mark.slow]


OLD_NPU, NEW_NPU = "2.8.0.post2", "2.13.0"
"""torch_npu before and after 2.10, for which the recipe edits one line."""
EDITED = "sglang/srt/utils/profile_utils.py"


def cell(machine: str, npu: str = OLD_NPU) -> Cell:
    """Return the cell of a machine, for which this one builds."""
    components = {"sglang": VERSION, "torch": "2.8.0", "torch-npu": npu}
    return Cell(stack="test", target=Target.named(machine), cann="8.5.0", components=components)


@contextmanager
def builder(umask: int, tmp: Path, **variables: str) -> Iterator[None]:
    """Be another builder for a while."""
    tmp.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**variables, "TMPDIR": str(tmp)}.items():
            patch.setenv(name, value)
        patch.setattr("tempfile.tempdir", None)
        before = os.umask(umask)
        try:
            yield
        finally:
            os.umask(before)


def locked(bench: Bench, machine: str) -> LockedSource:
    """Lock SGLang's source as `invoke lock` does."""
    answer = ToBuild(recipe=RECIPE, version=VERSION, origin=SdistOrigin(kind="sdist"))
    return SourceBuilds(cell=cell(machine), locker=bench.locker).pin(answer, cell(machine).fields)


def built(
    bench: Bench, source: LockedSource, machine: str, npu: str = OLD_NPU, *, sandbox: bool = True
) -> LockedFile:
    builds = SourceBuilds(cell=cell(machine, npu), locker=bench.locker, offline=True)
    workshop = replace(bench.workshop, sandbox=sandbox)
    wheel = build_one(builds, RECIPE, source, workshop)
    assert isinstance(wheel, LockedFile)
    return wheel


def without_table(source: LockedSource) -> dict[str, object]:
    """Return what a build starts from, less the recipe's table: by the cell, it has an edit or not."""
    return {key: value for key, value in source.build.items() if key != KEY}


def digests(path: Path) -> dict[str, str]:
    """Digest by name of every file that is not of the `.dist-info` folder."""
    with WheelFile.open(path) as wheel:
        return {
            member.name: hashlib.sha256(b"".join(wheel.chunks(member))).hexdigest()
            for member in wheel.members
            if not member.name.startswith(wheel.dist_info)
        }


def test_every_builder_gives_the_wheel_that_the_committed_locks_name(tmp_path: Path) -> None:
    """Sealed and not, for both machines, and what is locked now is what the committed locks say."""
    bench = Bench(root=tmp_path / "store")
    own, other = (locked(bench, machine) for machine in MACHINES)
    assert own == other
    with builder(0o022, tmp_path / "one", TZ="UTC", LC_ALL="C.UTF-8"):
        first = built(bench, own, MACHINES[0])
    with builder(0o077, tmp_path / "two", TZ="Asia/Shanghai", LC_ALL="POSIX", PYTHONHASHSEED="7"):
        second = built(bench, other, MACHINES[1], sandbox=False)
    assert first.sha256 == second.sha256
    newer = built(bench, own, MACHINES[0], NEW_NPU)
    for path in LOCKS:
        (committed,) = sources_in(path.parent, path.name.split(".")[1])
        assert replace(committed, wheel=None, build=without_table(committed)) == replace(
            own, build=without_table(own)
        )
        torch = Version(path.parent.name.partition("-torch")[2].partition("-")[0])
        assert committed.wheel is not None
        assert replace(committed.wheel, note="") == (newer if torch >= Version("2.10") else first)


def test_one_line_is_another_for_torch_npu_2_10_and_later(tmp_path: Path) -> None:
    """Both call the same function, where each torch_npu has it."""
    bench, machine = Bench(root=tmp_path / "store"), MACHINES[0]
    source = locked(bench, machine)
    old, new = (bench.store.path(built(bench, source, machine, npu).sha256) for npu in (OLD_NPU, NEW_NPU))
    files = [digests(path) for path in (old, new)]
    assert {name for name in files[0] if files[0][name] != files[1][name]} == {EDITED}
    with ZipFile(new) as wheel:
        text = wheel.read(EDITED).decode()
    assert "    from torch_npu._init.patches.monkey_patches import _apply_patches\n" in text
    assert "torch_npu._apply_patches" not in text


def test_the_wheel_holds_what_the_index_published_and_asks_for_what_npus_need(tmp_path: Path) -> None:
    bench, machine = Bench(root=tmp_path / "store"), MACHINES[0]
    wheel = built(bench, locked(bench, machine), machine)
    assert wheel.filename == f"sglang-{VERSION}+npu-py3-none-any.whl"
    http = Http()
    published = Finder(http).find_file("sglang", VERSION, cell(machine).target)
    download = Download.of(published.artifact, urls=(published.url,))
    fetch_all([download], bench.store, silent, http=http)
    named, other = tmp_path / wheel.filename, tmp_path / published.filename
    named.symlink_to(bench.store.path(wheel.sha256))
    other.symlink_to(bench.store.path(published.sha256))
    assert digests(named) == digests(other)
    with WheelFile.open(named) as archive:
        stated = {need.name for need in archive.metadata.requires_dist or []}
        extras = archive.metadata.provides_extra
    assert RECIPE.build is not None
    assert RECIPE.build.project_file is not None
    needs = runtime_requirements(RECIPE.build.project_file, "sglang", VERSION, {})
    assert stated == {Requirement(need).name for need in needs} | {"sglang"}
    assert set(extras or ()) == {"srt-npu", "runtime-common"}
