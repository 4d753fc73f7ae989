"""Sets of files in a folder that hosts share: a lock on the folder itself holds on its own host alone there."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from pathlib import Path

import pytest

from ascend_wheelhouse.base import whole_file


@pytest.fixture(autouse=True)
def _locks_of_another_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is locked here counts as another host's: folders are free, files are not, and nobody waits."""
    lock = fcntl.flock

    def as_on_nfs(file: int, kind: int) -> None:
        if stat.S_ISDIR(os.fstat(file).st_mode):
            return
        if kind & fcntl.LOCK_EX and fcntl.fcntl(file, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        lock(file, kind | fcntl.LOCK_NB)

    monkeypatch.setattr(fcntl, "flock", as_on_nfs)


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    folder = tmp_path / "lockfiles/torch2.8.0"
    whole_file.write_set(folder, "aarch64", {"a": b"1", "b": b"1"})
    return folder


def test_readers_and_writers_of_a_folder_keep_each_other_away(stack: Path) -> None:
    with whole_file.reading(stack):
        with pytest.raises(BlockingIOError):
            whole_file.write_set(stack, "aarch64", {"a": b"2", "b": b"2"})
        with whole_file.reading(stack):
            pass
    with whole_file.writing(stack), pytest.raises(BlockingIOError), whole_file.reading(stack):
        pass
    assert sorted(path.name for path in stack.iterdir()) == ["a", "b"]


def test_a_set_of_several_folders_waits_for_readers_of_each(stack: Path, tmp_path: Path) -> None:
    with whole_file.reading(stack), whole_file.writing(tmp_path, whole_file.inside(tmp_path)):
        with pytest.raises(BlockingIOError):
            whole_file.put_set(tmp_path, "locks", {"lockfiles/torch2.8.0/a": b"2", "recipes/stacks/x": b"2"})
        with pytest.raises(BlockingIOError), whole_file.reading(tmp_path, whole_file.inside(tmp_path)):
            pass


def test_who_only_reads_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "lockfiles/torch2.8.0"
    folder.mkdir(parents=True)
    with whole_file.reading(folder), whole_file.reading(tmp_path, whole_file.inside(tmp_path)):
        pass
    assert [path.name for path in tmp_path.rglob("*")] == ["lockfiles", "torch2.8.0"]


def test_whoever_may_write_the_folder_may_lock_it(tmp_path: Path) -> None:
    folder = tmp_path / "lockfiles/torch2.8.0"
    folder.mkdir(parents=True)
    folder.parent.chmod(0o775)
    before = os.umask(0o077)
    try:
        whole_file.write_set(folder, "aarch64", {"a": b"1"})
    finally:
        os.umask(before)
    state = folder.parent / ".state"
    assert [oct(path.stat().st_mode & 0o777) for path in (state, state / "torch2.8.0.lock")] == [
        "0o775",
        "0o664",
    ]
