"""A store whose locks are as NFS has them; `tests/machines` has a real NFS."""

from __future__ import annotations

import errno
import fcntl
import os
from io import BytesIO
from pathlib import Path

import pytest

from ascend_wheelhouse.store.store import Store


@pytest.fixture(autouse=True)
def _locks_of_nfs(monkeypatch: pytest.MonkeyPatch) -> None:
    """NFS makes `flock` a lock on the server's bytes: an exclusive one takes a file that is open for writing."""
    lock = fcntl.flock

    def as_on_nfs(file: int, kind: int) -> None:
        if kind & fcntl.LOCK_EX and fcntl.fcntl(file, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        lock(file, kind)

    monkeypatch.setattr(fcntl, "flock", as_on_nfs)


def test_what_another_run_brings_in_stays_and_what_a_killed_one_left_goes(tmp_path: Path) -> None:
    first, second = Store(tmp_path), Store(tmp_path)
    with first.incoming() as coming:
        killed = coming.with_name("tmp-killed")
        killed.write_bytes(b"half")
        second.add(BytesIO(b"another"))
        assert coming.exists()
        assert not killed.exists()


def test_a_damaged_file_is_removed(tmp_path: Path) -> None:
    store = Store(tmp_path)
    sha256 = store.add(BytesIO(b"whole"))
    store.path(sha256).chmod(0o644)
    store.path(sha256).write_bytes(b"spoilt")
    assert [one.exit_code for one in Store(tmp_path).damaged([sha256])] == [5]
    assert not store.path(sha256).exists()
