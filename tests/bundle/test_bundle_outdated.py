"""A wheelhouse that is older than its lock, or than this tool, is not packed for the newest without a word."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from index_server import serving
from small_world import Invoked, World, found, wheel

PACK = ("bundle", "--allow-incomplete", "--serial", "7")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A finished wheelhouse whose lock was upgraded afterwards: einops 0.8 gave way to 0.9."""
    with serving() as index:
        made = found(tmp_path_factory.mktemp("world"), index)
        assert made.make().status == 0
        index.offer("einops-0.9-py3-none-any.whl", wheel("einops", "0.9"))
        moved = made.invoke("lock", "--upgrade", "--resolver", "uv")
        assert "einops" in moved.out, moved.err
        yield made


def packed(world: World, out: Path, *words: str) -> Invoked:
    return world.invoke(*PACK, "--out", str(out), *words)


def test_a_wheelhouse_that_is_older_than_its_lock_is_not_packed_for_its_cell(
    world: World, tmp_path: Path
) -> None:
    done = packed(world, tmp_path / "b.tar")
    assert done.status == 2
    assert "is not what its lock names now: with einops-0.8-py3-none-any.whl, without einops-0.9-" in done.err
    assert f"--wheelhouse {world.folder}, to pack it as it is" in done.err
    assert not (tmp_path / "b.tar").exists()


def test_who_names_its_folder_packs_it_as_it_is(world: World, tmp_path: Path) -> None:
    done = packed(world, tmp_path / "b.tar", "--wheelhouse", str(world.folder))
    assert done.status == 0, done.err
    assert "another version" not in done.err


@pytest.mark.parametrize("form", [[], ["--json"], ["--html", "--out", "page.html"]])
def test_whoever_looks_at_the_cell_is_told_and_sees_it_all_the_same(world: World, form: list[str]) -> None:
    done = world.invoke("show", *form)
    assert done.status == 0, done.err
    assert "warning: sglang1.0-torch2.8.0-cann8.5.0-a3-aarch64 is not what its lock names now: " in done.err
    assert "einops-0.8-py3-none-any.whl" in done.err
    assert "`invoke wheelhouse --torch 2.8.0 --platform aarch64" in done.err
    assert "warning" not in done.out
    assert world.invoke("show", "--wheelhouse", str(world.folder), *form).err == ""


def test_a_stack_that_was_edited_since_is_told_of_with_the_command_for_its_lock(world: World) -> None:
    (stack,) = (world.root / "recipes/stacks").glob("*.toml")
    before = stack.read_text()
    try:
        stack.write_text(before.replace('"2.8.0.post2"', '"2.8.0.post3"'))
        done = world.invoke("show")
    finally:
        stack.write_text(before)
    assert done.status == 0, done.err
    assert (
        "was made for another cell: torch_npu differ. Next: invoke lock --upgrade --torch 2.8.0" in done.err
    )


def test_the_next_run_makes_it_anew_and_it_is_packed(world: World, tmp_path: Path) -> None:
    assert world.make("--output", str(tmp_path / "elsewhere")).status == 0
    standing = world.folder.rename(tmp_path / "older")
    try:
        (tmp_path / "elsewhere" / world.folder.name).rename(world.folder)
        done = packed(world, tmp_path / "b.tar")
        assert done.status == 0, done.err
    finally:
        world.folder.rename(tmp_path / "newer")
        standing.rename(world.folder)


def test_an_installer_of_another_version_is_told(world: World, tmp_path: Path) -> None:
    older = tmp_path / world.folder.name
    older.mkdir()
    document = json.loads((world.folder / "manifest.json").read_text())
    for file in document["files"]:
        if file["path"] == "install.py":
            file["sha256"] = "0" * 64
    (older / "manifest.json").write_text(json.dumps(document))
    done = packed(world, tmp_path / "b.tar", "--wheelhouse", str(older))
    assert "was made by another version of this tool, and its install.py is of that version" in done.err
