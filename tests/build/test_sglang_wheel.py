"""SGLang's NPU wheel, built from the index's sdist."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from ascend_wheelhouse.base.events import silent
from ascend_wheelhouse.base.toml_file import read
from ascend_wheelhouse.build.projects import build_source
from ascend_wheelhouse.cells.project import runtime_requirements
from ascend_wheelhouse.cells.recipe import Recipe
from ascend_wheelhouse.cells.target import Target
from ascend_wheelhouse.fetch.fetch import fetch_all
from ascend_wheelhouse.fetch.transfer import Download
from ascend_wheelhouse.locks.lock import LockedSource
from ascend_wheelhouse.origins.http import Http
from ascend_wheelhouse.origins.index import Finder, FoundFile
from ascend_wheelhouse.pin.locking import locked_file
from ascend_wheelhouse.store.store import Store
from ascend_wheelhouse.wheels.wheel import WheelFile

RECIPE = Path(__file__).parents[2] / "recipes" / "sglang.toml"
VERSION = "0.5.6.post2"
TARGET = Target(machine="aarch64")

pytestmark = [pytest.mark.network, pytest.mark.slow]


def fetched(files: list[FoundFile], store: Store, http: Http) -> None:
    downloads = [Download.of(file.artifact, urls=(file.url,)) for file in files]
    fetch_all(downloads, store, silent, http=http)


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


def digests(path: Path) -> dict[str, str]:
    """Digest by name of every file that is not of the `.dist-info` folder."""
    with WheelFile.open(path) as wheel:
        return {
            member.name: hashlib.sha256(b"".join(wheel.chunks(member))).hexdigest()
            for member in wheel.members
            if not member.name.startswith(wheel.dist_info)
        }


def test_two_builds_of_sglang_are_equal_and_hold_what_the_index_published(tmp_path: Path) -> None:
    recipe, problems = read(RECIPE, Recipe)
    assert recipe is not None, problems
    assert recipe.project is not None
    http, store = Http(), Store(tmp_path / "store")
    finder = Finder(http)
    sdist = finder.find_file("sglang", VERSION, TARGET, sdist=True)
    published = finder.find_file("sglang", VERSION, TARGET)
    pinned = [Requirement(line) for line in recipe.project.requires]
    wheels = [finder.find_file(r.name, str(r.specifier).removeprefix("=="), TARGET) for r in pinned]
    fetched([sdist, published, *wheels], store, http)
    source = LockedSource(
        component="sglang",
        version=VERSION,
        origin="sdist",
        archive=sdist.artifact,
        environment=tuple(map(locked_file, wheels)),
    )
    with builder(0o022, tmp_path / "one", TZ="UTC", LC_ALL="C.UTF-8"):
        first = build_source(source, recipe, store=store, emit=silent)
    with builder(0o077, tmp_path / "two", TZ="Asia/Shanghai", LC_ALL="POSIX", PYTHONHASHSEED="7"):
        second = build_source(source, recipe, store=store, emit=silent)
    assert first == second
    assert first.filename == f"sglang-{VERSION}+npu-py3-none-any.whl"
    named = tmp_path / first.filename
    named.symlink_to(store.path(first.sha256))
    other = tmp_path / published.filename
    other.symlink_to(store.path(published.sha256 or ""))
    assert digests(named) == digests(other)
    with WheelFile.open(named) as wheel:
        stated = {need.name for need in wheel.metadata.requires_dist or []}
        extras = wheel.metadata.provides_extra
    wanted = {Requirement(need).name for need in runtime_requirements(recipe, VERSION, None)}
    assert stated == wanted | {"sglang"}
    assert set(extras or ()) == {"srt-npu", "runtime-common"}
