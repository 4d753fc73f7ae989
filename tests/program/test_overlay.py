"""A project's own files lie over the packaged ones."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from program_rig import ROOT, Installed

from ascend_wheelhouse.base import packaged
from ascend_wheelhouse.cells.request import Request
from ascend_wheelhouse.cells.target import Target
from ascend_wheelhouse.commands.program import project
from ascend_wheelhouse.locks.lock import save
from ascend_wheelhouse.make.asked_cell import cell_of
from ascend_wheelhouse.make.freshness import lock_digest, recipes_digest
from ascend_wheelhouse.make.project_folder import ProjectFolder
from ascend_wheelhouse.watch.held import WatchChoice, watched

pytest_plugins = ["program_fixtures"]

ASKED = Request(torch="2.8.0", target=Target.named("aarch64"))


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """Return a project folder that lies over the packaged files, here the clone's."""
    project(tmp_path)
    yield tmp_path
    assert not (tmp_path / "src").exists()


def _own_recipe(root: Path, old: str, new: str) -> None:
    text = (ROOT / "recipes/torch.toml").read_text("utf-8")
    assert old in text
    (root / "recipes").mkdir()
    (root / "recipes/torch.toml").write_text(text.replace(old, new), "utf-8")


def test_an_own_recipe_stands_in_place_of_the_packaged_one(
    installed_program: Installed, tmp_path: Path
) -> None:
    _own_recipe(tmp_path, 'licence = "', 'licence = "Own-')
    done = installed_program.run("recipes", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["recipes"]["torch"]["licence"].startswith("Own-")
    own = {name for name, where in answer["from"].items() if where == "project"}
    assert own == {"torch.toml"}
    assert "stacks/torch2.8.0-cann8.3.rc2.toml" in answer["from"]


def test_the_list_of_recipes_says_which_are_the_projects(
    installed_program: Installed, tmp_path: Path
) -> None:
    _own_recipe(tmp_path, 'licence = "', 'licence = "Own-')
    rows = installed_program.run("recipes", cwd=tmp_path).stdout
    _, _, after = rows.partition("\ntorch\n")
    own = re.search(r"^  from +(\w+)$", after, re.MULTILINE)
    assert own
    assert own[1] == "project"
    assert len(re.findall(r"^  from +project$", rows, re.MULTILINE)) == 1


def test_a_fault_of_an_own_recipe_is_told_with_its_file(installed_program: Installed, tmp_path: Path) -> None:
    _own_recipe(tmp_path, 'licence = "', 'licens = "')
    done = installed_program.run("recipes", cwd=tmp_path)
    assert done.returncode == 2
    assert "recipes/torch.toml: licens" in done.stderr
    assert "ascend-wheelhouse recipes" in done.stderr


def test_a_lock_is_written_into_the_project_and_read_from_there(root: Path) -> None:
    folder = ProjectFolder.load(root)
    cell = cell_of(ASKED, folder)
    packaged_lock = folder.committed_lock(cell)
    assert packaged_lock is not None
    assert not (root / "lockfiles").exists()
    save(replace(packaged_lock, wheels=packaged_lock.wheels[:1]), cell.target, folder.lock_folder(cell))
    own = folder.committed_lock(cell)
    assert own is not None
    assert len(own.wheels) == 1
    assert (root / "lockfiles" / cell.stack_id / "pylock.aarch64.toml").is_file()
    other = cell_of(replace(ASKED, target=Target.named("aarch64", "910b")), folder)
    assert folder.committed_lock(other) is not None


def test_what_a_wheelhouse_is_made_from_counts_in_every_layer(root: Path, tmp_path: Path) -> None:
    before = recipes_digest(packaged.recipes_of(root))
    assert before == recipes_digest(ROOT / "recipes")
    folder = ProjectFolder.load(root)
    cell = cell_of(ASKED, folder)
    locked = lock_digest(folder.lock_layers(cell))
    _own_recipe(tmp_path, 'licence = "', 'licence = "Own-')
    shutil.copytree(ROOT / "lockfiles" / cell.stack_id, folder.lock_folder(cell))
    assert lock_digest(folder.lock_layers(cell)) == locked
    (folder.lock_folder(cell) / "pylock.aarch64.toml").write_text("other")
    assert lock_digest(folder.lock_layers(cell)) != locked
    assert recipes_digest(packaged.recipes_of(root)) != before


def test_a_clone_stands_by_itself() -> None:
    project(ROOT)
    assert packaged.recipes_of(ROOT).folders == (ROOT / "recipes",)


def test_the_packages_locks_are_watched_with_the_projects(root: Path) -> None:
    folder = ProjectFolder.load(root)
    cell = cell_of(ASKED, folder)
    lock = folder.committed_lock(cell)
    assert lock is not None
    save(replace(lock, wheels=lock.wheels[:1]), cell.target, folder.lock_folder(cell))
    held = {(one.folder, one.platform): one.lock for one in watched(folder, WatchChoice()).locks}
    assert len(held[cell.stack_id, "aarch64"].wheels) == 1
    assert {name for name, _ in held} >= {path.name for path in (ROOT / "lockfiles").glob("sglang*")}


@pytest.mark.parametrize("kind", ["another user's", "a link to what is gone"])
def test_own_recipes_that_cannot_be_listed_are_not_passed_over(
    kind: str, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The packaged ones stood in their place, without a word."""
    (root / "recipes").symlink_to("gone") if kind.startswith("a link") else (root / "recipes").mkdir()
    if kind.startswith("another"):

        def refused(place: Path) -> None:
            raise PermissionError(errno.EACCES, "Permission denied", str(place))

        monkeypatch.setattr(os, "scandir", refused)
    with pytest.raises(OSError, match=r"Permission denied|No such file"):
        packaged.recipes_of(root)


def test_a_file_that_is_called_as_the_folder_is_none_of_ours(root: Path) -> None:
    (root / "recipes").write_text("of cakes")
    assert "torch.toml" in packaged.recipes_of(root).named("*.toml")
