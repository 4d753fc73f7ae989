"""A release whose source is not on the index: its list from the recipe, its source from git or from a person."""

from __future__ import annotations

import io
import json
import tarfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from index_server import serving
from small_world import Invoked, World, found
from upstreams import commit, git

EDITION = """
[[build.project_file.editions]]
versions = ">=2,<3"
source = "a test"
dependencies = ["einops"]

[build.project_file.editions.extras]
srt_npu = ["tqdm"]
"""
GIT = """[[origins]]
kind = "git"
url = "https://nowhere.invalid/sglang.git"
ref = "v{version}"
submodules = false

[[origins]]
kind = "file"

[build]
"""
OWNS = 'owns = ["sglang"]\n'
HANDED_OVER = """files = ["sglang-*.tar.gz"]
supply = "clone v{version}, then `invoke vendor sglang`"
"""
HEAD = '[build-system]\nrequires = ["tinybuild"]\nbuild-backend = "tinybuild"\n[project]\nname = "sglang"\n'


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with serving() as index:
        made = found(tmp_path / "world", index)
        text = (made.root / "recipes/sglang.toml").read_text()
        text = text.replace("[build]\n", GIT).replace(OWNS, OWNS + HANDED_OVER)
        (made.root / "recipes/sglang.toml").write_text(text + EDITION)
        yield made


def project(version: str, needs: str) -> dict[str, str]:
    """Return the project files of a release: the CUDA one, and the NPU one beside it."""
    head = f'{HEAD}version = "{version}"\n'
    return {
        "pyproject.toml": f'{head}dependencies = ["cuda-python"]\n',
        "pyproject_npu.toml": f"{head}dependencies = [{needs}]\n[project.optional-dependencies]\nsrt_npu = []\n",
    }


def clone(world: World, version: str, needs: str) -> Path:
    """Return a clone of a release, its tag checked out."""
    place = world.root / "sglang"
    commit(place, project(version, needs))
    git(place, "tag", f"v{version}")
    return place


def made(world: World, version: str, *words: str) -> Invoked:
    return world.make("--sglang", version, *words)


def manifest(world: World, version: str) -> dict[str, Any]:
    folder = world.root / f"wheelhouse/sglang{version}-torch2.8.0-cann8.5.0-a3-aarch64"
    document: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    return document


def wheels(world: World, version: str) -> set[str]:
    folder = world.root / f"wheelhouse/sglang{version}-torch2.8.0-cann8.5.0-a3-aarch64"
    return {path.name.partition("-py3")[0] for path in (folder / "wheels").iterdir()}


def source_lock(world: World, version: str) -> dict[str, Any]:
    path = world.root / f"lockfiles/sglang{version}-torch2.8.0-cann8.5.0-a3/sources.aarch64.toml"
    (source,) = tomllib.loads(path.read_text())["source"]
    return dict(source)


def test_what_a_release_needs_is_locked_by_its_list_while_its_source_is_pending(world: World) -> None:
    done = made(world, "2.0")
    assert done.status == 0, done.err + done.out
    pending = {one["component"]: one for one in manifest(world, "2.0")["pending"]}["sglang"]
    assert pending["reason"].startswith("sdist: sglang 2.0 has no source archive on the index; git: ")
    assert pending["supply"] == "clone v2.0, then `invoke vendor sglang`"
    assert {"einops-0.8", "tqdm-4.0"} <= wheels(world, "2.0")


def test_a_release_of_no_list_is_refused_with_the_command_that_hands_its_source_over(world: World) -> None:
    done = made(world, "3.0")
    assert done.status == 4
    assert "The source of sglang 3.0 is in none of its origins: sdist: sglang 3.0 has no source" in done.err
    assert "clone v3.0, then `invoke vendor sglang`" in done.err


def test_what_a_release_asks_for_and_no_origin_has_is_told_before_anything_is_resolved(world: World) -> None:
    recipe = (
        'name = "einops"\nsummary = "small"\nlicence = "MIT"\ndistribution = "einops"\nowns = ["einops"]\n'
    )
    recipe += 'supply = "get it by hand"\n[[origins]]\nkind = "index"\n'
    (world.root / "recipes/einops.toml").write_text(recipe)
    with (world.root / "recipes/stacks/torch2.8.0-cann8.5.0.toml").open("a") as stack:
        stack.write('einops = "9.9"\n')
    done = made(world, "2.0")
    assert done.status == 3
    assert "sglang 2.0 asks for einops, which is pending: index: einops 9.9 has no wheel" in done.err
    assert "Next: get it by hand" in done.err


def test_a_clone_handed_over_completes_what_was_locked_without_it(world: World) -> None:
    assert made(world, "2.0").status == 0
    place = clone(world, "2.0", '"einops", "tqdm"')
    told = world.invoke("vendor", str(place))
    assert told.status == 0, told.err
    assert told.out.split() == [git(place, "rev-parse", "HEAD"), ".", "sglang", "2.0"]
    done = made(world, "2.0")
    assert done.status == 0, done.err + done.out
    assert "sglang-2.0+npu" in wheels(world, "2.0")
    assert [one["component"] for one in manifest(world, "2.0")["pending"]] == ["nnal"]
    assert source_lock(world, "2.0")["commit"] == git(place, "rev-parse", "HEAD")


def test_a_source_that_asks_for_more_than_its_lock_holds_is_refused_until_it_is_locked_again(
    world: World,
) -> None:
    assert made(world, "2.0").status == 0
    assert world.invoke("vendor", str(clone(world, "2.0", '"einops", "tqdm", "numpy"'))).status == 0
    done = made(world, "2.0")
    assert done.status == 2
    assert "The source of sglang 2.0 asks for numpy." in done.err
    assert "invoke lock --upgrade --torch 2.8.0 --platform aarch64 --cann 8.5.0 --sglang 2.0" in done.err


@pytest.mark.parametrize("kind", ["bundle", "archive"])
def test_a_release_of_no_list_is_made_from_what_was_handed_over(world: World, kind: str) -> None:
    """What it needs comes from its own file, whatever form the source has."""
    path = world.root / f"sglang-3.0.{'bundle' if kind == 'bundle' else 'tar.gz'}"
    if kind == "bundle":
        git(clone(world, "3.0", '"einops"'), "bundle", "create", "--quiet", str(path), "v3.0")
    else:
        with tarfile.open(path, "w:gz") as archive:
            for name, text in project("3.0", '"einops"').items():
                member = tarfile.TarInfo(f"sglang-3.0/{name}")
                member.size, member.mtime = len(text), 1_700_000_000
                archive.addfile(member, io.BytesIO(text.encode()))
    assert world.invoke("vendor", str(path)).status == 0
    done = made(world, "3.0")
    assert done.status == 0, done.err + done.out
    assert {"sglang-3.0+npu", "einops-0.8"} <= wheels(world, "3.0")
    assert "tqdm-4.0" not in wheels(world, "3.0")
    assert source_lock(world, "3.0")["origin"] == ("git" if kind == "bundle" else "vendored")


def test_a_clone_without_a_tag_is_told_how_to_say_its_release(world: World) -> None:
    place = world.root / "sglang"
    commit(place, project("3.0", '"einops"'))
    told = world.invoke("vendor", str(place))
    assert "no tag says which release of sglang this is" in told.out
    said = world.invoke("vendor", str(place), "--component", "sglang", "--version", "3.0")
    assert said.out.split()[-2:] == ["sglang", "3.0"]
