"""Folders whose names a shell would take apart: every command that is printed works as it is printed."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from index_server import serving
from invoking import invoke
from small_world import World, found


@pytest.fixture
def spaced(tmp_path: Path) -> Iterator[World]:
    folder = tmp_path / "my wheel's house"
    folder.mkdir()
    with serving() as index:
        yield found(folder, index)


def test_the_audit_that_a_run_proposes_works_as_it_is_printed(spaced: World) -> None:
    done = spaced.make()
    assert done.status == 0, done.err
    proposed = re.search(r"`(invoke audit --wheelhouse .*)` lists them", done.out)
    assert proposed, done.out
    words = shlex.split(proposed[1])
    assert words[-1] == str(spaced.folder)
    assert spaced.invoke(*words[1:]).status == 0


def test_an_output_that_cannot_be_written_is_told_before_anything_is_fetched(
    spaced: World,
) -> None:
    spaced.folder.parent.touch()
    done = spaced.invoke("wheelhouse", "--torch", "2.8.0", "--platform", "aarch64", "--json")
    assert done.status == 10, done.err
    assert f"{spaced.folder.parent} is no folder" in done.out
    assert "OutputFolderError" in done.out
    assert not [path for path in spaced.store.rglob("*.whl*") if path.is_file()]
    assert not list(spaced.store.glob("blobs/*/*"))


@pytest.mark.parametrize("command", ["lock", "wheelhouse"])
def test_a_place_of_a_new_lock_that_cannot_be_written_is_told_before_anything_is_asked(
    spaced: World, command: str
) -> None:
    locks = spaced.root / "lockfiles"
    locks.rmdir() if locks.is_dir() else None
    locks.touch()
    done = spaced.invoke(command, "--torch", "2.8.0", "--platform", "aarch64", "--json")
    assert (done.status, "OutputFolderError" in done.out) == (10, True), done.out
    assert "new lock" in done.out
    assert not list(spaced.store.glob("blobs/*/*"))


def test_a_matrix_in_a_file_with_a_space_is_proposed_whole(spaced: World) -> None:
    place = spaced.root / "my matrix.toml"
    place.touch()
    told = spaced.invoke("matrix", "--file", str(place), "--torch", "2.8.0")
    assert told.status == 2
    assert shlex.split(told.err.partition("Next: ")[2])[:4] == ["invoke", "matrix", "--file", f"{place},"]


def test_a_key_in_a_folder_with_a_space_is_proposed_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "my keys"
    folder.mkdir()
    assert invoke("keygen", folder) == 2
    told = capsys.readouterr().err.partition("Next: ")[2]
    assert shlex.split(told) == ["invoke", "keygen", str(folder / "wheelhouse-key")]
