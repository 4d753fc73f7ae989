from __future__ import annotations

import errno
import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ascend_wheelhouse.base.whole_file import UnfinishedSetError, reading, write_set, write_whole

_CONTEXT = multiprocessing.get_context("fork")
_NAMES = ("a", "b", "c", "d")
_TURNS = 60


def _together(*works: Callable[[], None]) -> list[int | None]:
    processes = [_CONTEXT.Process(target=work) for work in works]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    return [process.exitcode for process in processes]


def test_writers_of_one_file_never_mix_and_leave_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "report"
    write_whole(path, "0" * 50_000)

    def write(letter: str) -> None:
        for _ in range(_TURNS):
            write_whole(path, letter * 50_000, durable=False)

    def read() -> None:
        for _ in range(_TURNS * 4):
            text = path.read_text()
            assert len(text) == 50_000
            assert len(set(text)) == 1

    assert _together(lambda: write("1"), lambda: write("2"), read) == [0, 0, 0]
    assert list(tmp_path.iterdir()) == [path]


def test_a_reader_of_a_set_sees_one_version_of_every_file_whoever_writes_meanwhile(tmp_path: Path) -> None:
    write_set(tmp_path, "s", dict.fromkeys(_NAMES, b"0"))

    def write(version: bytes) -> None:
        for _ in range(_TURNS):
            write_set(tmp_path, "s", dict.fromkeys(_NAMES, version))

    def read() -> None:
        for _ in range(_TURNS * 4):
            with reading(tmp_path):
                assert len({(tmp_path / name).read_bytes() for name in _NAMES}) == 1

    assert _together(lambda: write(b"1"), lambda: write(b"2"), read, read) == [0, 0, 0, 0]
    assert {path.name for path in tmp_path.iterdir()} == set(_NAMES)


def test_sets_of_two_names_in_one_folder_leave_each_other_alone(tmp_path: Path) -> None:
    write_set(tmp_path, "one", {"a": b"1"})
    write_set(tmp_path, "two", {"b": b"2"})
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a": b"1", "b": b"2"}


def test_folders_of_the_users_own_that_begin_with_a_dot_stay(tmp_path: Path) -> None:
    for name in (".git", ".partial", ".venv"):
        (tmp_path / name).mkdir()
    write_set(tmp_path, "s", {"a": b"1"})
    with reading(tmp_path):
        assert {path.name for path in tmp_path.iterdir()} == {".git", ".partial", ".venv", "a"}


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "page"
    write_whole(path, "old")
    with pytest.raises(TypeError):
        write_whole(path, [1])  # type: ignore[arg-type]
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_link_points_to_is_written_and_what_is_no_file_is_written_to(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "file")
    write_whole(tmp_path / "link", "text")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_text() == "text"
    write_whole(Path(os.devnull), "text")
    assert Path(os.devnull).is_char_device()


def test_a_set_that_cannot_be_finished_is_told(tmp_path: Path) -> None:
    (tmp_path / ".s.set-whole").mkdir()
    (tmp_path / ".s.set-whole" / "a").touch()
    (tmp_path / "a").mkdir()
    with pytest.raises(UnfinishedSetError, match="did not put in their places"), reading(tmp_path):
        pass


def test_a_folder_that_is_not_ones_own_is_told_by_the_file_that_was_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A person knows of no `.report.part`."""

    def refused(path: Path, *_rest: int, **_more: int) -> int:
        raise PermissionError(errno.EACCES, "Permission denied", os.fspath(path))

    monkeypatch.setattr(os, "open", refused)
    with pytest.raises(PermissionError) as told:
        write_whole(tmp_path / "report", "text")
    assert told.value.filename == str(tmp_path / "report")


def test_a_set_takes_its_places_in_a_folder_that_is_mounted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system renames nothing from one mount into another."""
    replaced = Path.replace

    def refuses(part: Path, place: Path) -> Path:
        if part.parent != place.parent:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), str(part))
        return replaced(part, place)

    monkeypatch.setattr(Path, "replace", refuses)
    write_set(tmp_path, "s", {"mounted/a": b"1", "b": b"2"})
    assert [(tmp_path / name).read_bytes() for name in ("mounted/a", "b")] == [b"1", b"2"]
    assert {path.name for path in tmp_path.iterdir()} == {".state", "mounted", "b"}
