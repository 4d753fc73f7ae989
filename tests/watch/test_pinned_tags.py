"""A tag that a locked source was taken from: moved, gone, or of a host that does not answer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from small_world import World
from upstreams import commit, git
from watched_world import CELL, LOCK, STACK, lock_files, look, told

pytest_plugins = ["watched_fixtures"]

URL = "https://git.invalid/sglang.git"
ORIGIN = f"""kind = "git"
url = "{URL}"
ref = "v{{version}}"
submodules = false
"""
HEAD = '[build-system]\nrequires = ["tinybuild"]\nbuild-backend = "tinybuild"\n[project]\nname = "sglang"\n'
ID = "vanished/sglang/1.0/git.invalid/sglang.git@v1.0"


@pytest.fixture
def upstream(world: World, tmp_path: Path) -> Path:
    """The repository that the locked SGLang of the world was taken from; its tag is an annotated one."""
    place = tmp_path / "upstream"
    text = (
        f'{HEAD}version = "1.0"\ndependencies = ["einops"]\n[project.optional-dependencies]\nsrt_npu = []\n'
    )
    commit(place, {"pyproject.toml": text, "pyproject_npu.toml": text})
    git(place, "tag", "-a", "-m", "first", "v1.0")
    recipe = world.root / "recipes/sglang.toml"
    recipe.write_text(recipe.read_text().replace('kind = "sdist"\n', ORIGIN, 1))
    (world.root / "mirrors.toml").write_text(f'[mirrors]\n"{URL}" = "{place.as_uri()}"\n')
    made = world.invoke("lock", "--upgrade", "--resolver", "uv", *CELL)
    assert made.status == 0, made.err
    assert any(b'kind = "tag"' in content for content in lock_files(world).values())
    return place


def test_a_tag_that_stands_is_no_news_and_one_that_moved_is(world: World, upstream: Path) -> None:
    mirrors = {URL: upstream.as_uri()}
    assert ID not in told(look(world, mirrors=mirrors))
    before = git(upstream, "rev-parse", "HEAD")
    commit(upstream, {"other.py": "x = 1\n"})
    git(upstream, "tag", "-f", "-a", "-m", "again", "v1.0")
    after = git(upstream, "rev-parse", "HEAD")
    found = told(look(world, mirrors=mirrors))[ID]
    assert (found.of, found.stacks, found.locks) == ("component", (STACK,), (f"{LOCK}/aarch64",))
    assert f"The tag v1.0 of {URL} names commit {after} now, and the locks hold {before}." in found.text
    assert found.facts == {"tag_name": "v1.0", "url": URL, "commit": before, "offered": after}
    assert found.command.startswith("invoke lock --upgrade --torch 2.8.0 --platform aarch64")
    git(upstream, "tag", "-d", "v1.0")
    git(upstream, "tag", "v0.9")
    gone = told(look(world, mirrors=mirrors))[ID]
    assert f"The tag v1.0 of {URL} is gone; the locks hold its commit {before}." in gone.text
    assert gone.command == ""


def test_the_command_tells_it_and_apply_takes_nothing_for_it(world: World, upstream: Path) -> None:
    commit(upstream, {"other.py": "x = 1\n"})
    git(upstream, "tag", "-f", "v1.0")
    before = lock_files(world)
    shown = world.invoke("watch", "--exit-code")
    assert shown.status == 11, shown.err
    assert "Files and tags that locks name and that are not offered as they were:" in shown.out
    assert "Nothing new" not in shown.out
    applied = world.invoke("watch", "--apply", "--resolver", "uv", "--only", "sglang")
    assert applied.status == 0, applied.err
    assert "Nothing to do: nothing that was found asks for a new lock." in applied.out
    assert lock_files(world) == before
    listed = json.loads(world.invoke("watch", "--json").out)["findings"]
    assert [one["id"] for one in listed if one["kind"] == "vanished"] == [ID]


def test_a_host_that_does_not_answer_is_told_once(world: World, upstream: Path) -> None:
    assert upstream.is_dir()
    found = [
        one for one in look(world, mirrors={URL: "file:///nowhere"}).findings if one.component == "sglang"
    ]
    assert [one.id for one in found] == ["unreachable/sglang/git.invalid/sglang.git"]
    assert found[0].locks == (f"{LOCK}/aarch64",)
