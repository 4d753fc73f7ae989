"""A source whose links lead out of it, to have files of the build host changed before any sandbox is there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sdists import PUBLISHED, recipe, where
from upstreams import commit, git

from ascend_wheelhouse.build.command import job_for
from ascend_wheelhouse.build.inside import LinkOutError
from ascend_wheelhouse.build.job import BuildJob, PlacedRepository, Sources
from ascend_wheelhouse.build.source_tree import lay_source
from ascend_wheelhouse.origins.git import pin
from ascend_wheelhouse.origins.mirrors import Mirrors
from ascend_wheelhouse.store.store import Store

MINE = "mine = 8\n"


def job(folder: Path, links: dict[str, Path], **build: Any) -> BuildJob:  # noqa: ANN401 - whatever a build table may hold
    """Return the build of a repository with such links, its source and a second repository in `folder/store`."""
    store, top = Store(folder / "store"), folder / "upstream"
    files = {"pyproject_npu.toml": "theirs = 1\n", "own.toml": PUBLISHED, "pyproject.toml": PUBLISHED}
    commit(top, {f"python/{name}": text for name, text in files.items() if f"python/{name}" not in links})
    commit(folder / "second", {"bashrc": "theirs = 1\n"})
    for name, target in links.items():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).symlink_to(target)
    git(top, "add", "--all")
    git(top, "commit", "--quiet", "--allow-empty", "--message", "links")
    tree, second = (pin(str(one), "main", store=store, mirrors=Mirrors()) for one in (top, folder / "second"))
    made = job_for(recipe(**build), where(), Sources(tree=tree))
    placed = tuple(PlacedRepository(path=one.path, source=second) for one in made.spec.repositories)
    return replace(made, sources=Sources(tree=tree, repositories=placed))


def _lay(folder: Path, made: BuildJob) -> Path:
    (folder / "work").mkdir()
    source = folder / "work" / "source"
    lay_source(made, Store(folder / "store"), source, values={})
    return source


@pytest.mark.parametrize(
    ("link", "leads", "build"),
    [
        ("python/pyproject.toml", "home/bashrc", {}),
        ("python/pyproject_other.toml", "home/bashrc", {"project_file": {"files": ["pyproject_other.toml"]}}),
        ("other", "home", {"subdirectory": "other"}),
        ("file", "home/bashrc", {"edits": [{"path": "file", "find": "8", "replace": "9"}]}),
        ("deps", "home", {"clean": ["deps/folder"]}),
        (
            "deps",
            "home",
            {"repositories": [{"path": "deps/new", "url": "https://x.test/y.git", "ref": "v1"}]},
        ),
    ],
    ids=["project file", "the one in its place", "its folder", "edit", "clean", "repository"],
)
def test_nothing_is_written_or_removed_by_way_of_a_link_out_of_a_source(
    tmp_path: Path, link: str, leads: str, build: dict[str, Any]
) -> None:
    home = tmp_path / "home"
    (home / "folder").mkdir(parents=True)
    for name in ("bashrc", "pyproject.toml", "pyproject_npu.toml", "folder/file"):
        (home / name).write_text(MINE)
    before = {path: path.read_text() for path in home.rglob("*") if path.is_file()}
    table = {"subdirectory": "python", "project_file": None} | build
    if link.startswith("python/") or link == "other":
        del table["project_file"]
        table |= build
    with pytest.raises(LinkOutError, match=r"leads out") as told:
        _lay(tmp_path, job(tmp_path, {link: tmp_path / leads}, **table))
    assert told.value.exit_code == 5
    assert {path: path.read_text() for path in home.rglob("*") if path.is_file()} == before


def test_links_inside_a_source_are_gone_through(tmp_path: Path) -> None:
    edit = {"path": "python/link.toml", "find": "dynamic|server", "replace": "served"}
    made = job(tmp_path, {"python/link.toml": Path("own.toml")}, edits=[edit], project_file=None)
    assert "served" in (_lay(tmp_path, made) / "python/own.toml").read_text()


def test_a_project_file_that_is_a_link_to_the_one_in_its_place_is_that_one(tmp_path: Path) -> None:
    """Copying it onto itself was a fault of this tool."""
    links = {"python/pyproject.toml": Path("../top.toml"), "top.toml": Path("python/pyproject_npu.toml")}
    source = _lay(tmp_path, job(tmp_path, links))
    assert (source / "python/pyproject.toml").read_text() == "theirs = 1\n"


def test_a_link_out_that_nothing_goes_through_is_left_as_it_is(tmp_path: Path) -> None:
    source = _lay(tmp_path, job(tmp_path, {"away": Path("/etc/hostname")}, project_file=None))
    assert (source / "away").readlink() == Path("/etc/hostname")
