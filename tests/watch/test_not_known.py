"""What `invoke watch` says of places that did not answer, or were not asked: never that they have nothing new."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from index_server import Behaviour, Index, html_page, serving, status
from small_world import World, wheel
from watched_world import LOCK, lock_files, look, told

from ascend_wheelhouse.base.events import silent
from ascend_wheelhouse.origins.mirrors import Mirrors
from ascend_wheelhouse.watch.tags import TagPlace, ask_tags

pytest_plugins = ["watched_fixtures"]

OWN = "https://nowhere.invalid/whl"
GIT = '\n[[origins]]\nkind = "git"\nurl = "https://git.invalid/npu.git"\nref = "v{version}"\n'
_COMMIT = ("-c", "user.name=x", "-c", "user.email=x@x", "commit", "--quiet", "--allow-empty", "-m", "x")
_NOBODY = {"WHEELHOUSE_MIRRORS": "https://api.osv.dev/=http://127.0.0.1:9/", "PIP_RETRIES": "0"}


@pytest.fixture
def own(world: World) -> Iterator[Index]:
    """An index of torch's recipe, which alone has the locked file."""
    recipe = world.root / "recipes/torch.toml"
    text = recipe.read_text().replace('kind = "index"', f'kind = "extra-index"\nurl = "{OWN}"', 1)
    recipe.write_text(text)
    torch = world.index.files.pop("torch-2.8.0-py3-none-any.whl")
    with serving() as index:
        index.offer(torch.filename, torch.content)
        yield index


@pytest.mark.usefixtures("own")
def test_offline_claims_nothing_of_an_index_that_gave_no_answer_before(world: World) -> None:
    """The file is there, at the index that was silent: it is not gone."""
    first = told(look(world))
    assert set(first) == {"unreachable/torch/nowhere.invalid/whl"}
    later = told(look(world, offline=True))
    assert set(later) == set(first)
    one = later["unreachable/torch/nowhere.invalid/whl"]
    assert one.text == f"was not asked: --offline, and {OWN} did not answer for it before"
    assert one.facts == {"place": OWN, "asked": False}


def test_offline_goes_by_what_such_an_index_answered(world: World, own: Index) -> None:
    mirrors = {OWN: own.simple}
    assert told(look(world, mirrors=mirrors)) == {}
    assert told(look(world, mirrors=mirrors, offline=True)) == {}


@pytest.mark.usefixtures("own")
def test_an_index_that_was_left_out_is_told_beside_the_one_that_failed(world: World) -> None:
    look(world)
    world.index.behave("torch", *[status(503)] * 9)
    found = told(look(world))
    assert set(found) == {"unreachable/torch/index", "unreachable/torch/nowhere.invalid/whl"}
    one = found["unreachable/torch/nowhere.invalid/whl"]
    assert one.text == "was not asked: left out, since pip's own index did not answer for it"
    assert one.facts["asked"] is False


@pytest.mark.parametrize("tags", [(), ("nightly", "release-2.9")], ids=["no tag", "tags of another kind"])
def test_a_repository_without_a_release_is_told_and_not_taken_for_nothing_new(
    world: World, tmp_path: Path, tags: tuple[str, ...]
) -> None:
    """An empty mirror answers, too."""
    place = tmp_path / "npu.git"
    _git("init", "--quiet", str(place))
    _git("-C", str(place), *_COMMIT)
    for tag in tags:
        _git("-C", str(place), "tag", tag)
    recipe = world.root / "recipes/torch-npu.toml"
    recipe.write_text(recipe.read_text() + GIT)
    found = told(look(world, mirrors={"https://git.invalid/npu.git": place.as_uri()}))
    one = found["unreachable/torch-npu/git.invalid/npu.git"]
    assert one.text == "it answered, and has no tag like v{version}: an empty mirror, or another repository"
    assert one.facts["asked"] is True


def test_a_repository_with_releases_of_one_kind_of_tag_is_known(tmp_path: Path) -> None:
    place = tmp_path / "npu.git"
    _git("init", "--quiet", str(place))
    _git("-C", str(place), *_COMMIT)
    _git("-C", str(place), "tag", "v1.0")
    dotted, dated = (TagPlace(url=place.as_uri(), template=text) for text in ("v{version}", "npu-{version}"))
    assert ask_tags([dotted, dated], Mirrors(), silent).silent == {}


def _git(*words: str) -> None:
    subprocess.run(["git", *words], check=True, capture_output=True)


def test_nothing_new_goes_as_far_as_the_answers(world: World) -> None:
    """In the table, in JSON and after --apply; a single file at a server was not asked, and nobody was offline."""
    recipe = world.root / "recipes/torch-npu.toml"
    recipe.write_text(recipe.read_text() + GIT)
    table = world.invoke("watch", **_NOBODY)
    assert "Nothing new of what answered; of nnal, osv, torch-npu it is not known." in table.out
    assert "was not asked: its publisher lists no releases" in " ".join(table.out.split())
    document = json.loads(world.invoke("watch", "--json", **_NOBODY).out)
    assert document["unknown"] == ["nnal", "osv", "torch-npu"]
    asked = {one["component"]: one["facts"]["asked"] for one in document["findings"]}
    assert asked == {"nnal": False, "osv": True, "torch-npu": True}
    offline = json.loads(world.invoke("watch", "--json", "--offline", **_NOBODY).out)
    assert {one["facts"]["asked"] for one in offline["findings"]} == {False}
    made = world.invoke("watch", "--apply", **_NOBODY)
    assert (
        "It is not known whether there is news of nnal, osv, torch-npu: `invoke watch` says why." in made.out
    )


@pytest.mark.parametrize("answer", [html_page(), status(404)], ids=["a login page", "404"])
def test_an_index_without_a_file_of_any_project_is_silent_and_leaves_the_last_answers(
    world: World, answer: Behaviour
) -> None:
    assert world.invoke("watch", **_NOBODY).status == 0
    kept = (world.store / "watch/pages.json").read_bytes()
    projects = json.loads(kept)["projects"]
    for project in projects:
        world.index.behave(project, *[answer] * 99)
    ended = world.invoke("watch", "--json", **_NOBODY)
    assert ended.status == 4, ended.out
    assert "The index could not be asked for any project." in ended.err
    assert {one["kind"] for one in json.loads(ended.out)["findings"]} == {"unreachable"}
    assert (world.store / "watch/pages.json").read_bytes() == kept
    assert world.invoke("watch", "--apply", **_NOBODY).status == 4
    (world.store / "watch/pages.json").unlink()
    assert world.invoke("watch", **_NOBODY).status == 4
    assert not (world.store / "watch/pages.json").exists()


def test_only_tells_that_vulnerabilities_are_not_known(world: World) -> None:
    one = world.invoke("watch", "--only", "numpy", **_NOBODY)
    assert "Nothing new of what answered; of osv it is not known." in one.out


def test_a_store_that_cannot_keep_the_answers_is_told_with_another_place(world: World) -> None:
    (world.store / "watch").write_text("no folder")
    done = world.invoke("watch", **_NOBODY)
    assert done.status == 10, done.out
    assert f"The store {world.store} cannot be written" in done.err
    assert "set WHEELHOUSE_STORE to a folder that you can write" in done.err


def test_the_old_answer_of_one_project_makes_no_lock_of_that_time(world: World) -> None:
    """What came to the index since then was left out, what the old lock had already included."""
    for name, file in [*world.index.files.items()]:
        world.index.files[name] = replace(file, upload_time="2026-01-01T00:00:00Z")
    assert world.invoke("watch", **_NOBODY).status == 0
    pages = world.store / "watch/pages.json"
    document = json.loads(pages.read_text())
    document["projects"]["tqdm"]["asked"] = "2026-02-01T00:00:00+00:00"
    pages.write_text(json.dumps(document))
    world.index.offer("numpy-2.1-py3-none-any.whl", wheel("numpy", "2.1"), upload_time="2026-03-01T00:00:00Z")
    world.index.behave("tqdm", status(403))
    made = world.invoke("watch", "--apply", "--only", "numpy", "--resolver", "uv", **_NOBODY)
    assert made.status == 0, made.err
    assert "1 lock made anew" in made.out
    assert lock_files(world)[f"lockfiles/{LOCK}/requirements.aarch64.txt"].count(b"numpy==2.1") == 1
