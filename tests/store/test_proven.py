"""What this process wrote or hashed is not read again while nobody has touched it."""

from __future__ import annotations

import hashlib
import io
import os
import time
from pathlib import Path

import pytest

from ascend_wheelhouse.folder import assemble
from ascend_wheelhouse.folder.manifest import ManifestEntry
from ascend_wheelhouse.store import proven
from ascend_wheelhouse.store import store as stores
from ascend_wheelhouse.store.proven import Proven
from ascend_wheelhouse.store.store import Store
from ascend_wheelhouse.store.store_faults import DamagedBlobError

_HELLO = hashlib.sha256(b"hello").hexdigest()


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Every file whose digest is reckoned."""
    seen: list[Path] = []
    plain = proven.file_sha256

    def told(path: Path) -> str:
        seen.append(path)
        return plain(path)

    monkeypatch.setattr(proven, "file_sha256", told)
    monkeypatch.setattr(stores, "file_sha256", told)
    return seen


def touched(path: Path, data: bytes) -> None:
    """Write other bytes of the same length and set the modification time back, as late as file systems can tell."""
    before = path.stat()
    time.sleep(0.02)
    path.chmod(0o644)
    path.write_bytes(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    path.chmod(0o444)


def entry(path: str) -> ManifestEntry:
    return ManifestEntry.written(path, b"hello", "wheel")


def test_a_file_is_read_once(tmp_path: Path, read: list[Path]) -> None:
    file, known = tmp_path / "a", Proven()
    file.write_bytes(b"hello")
    assert [known.digest(file), known.digest(file)] == [_HELLO, _HELLO]
    assert read == [file]
    touched(file, b"hullo")
    assert known.digest(file) == hashlib.sha256(b"hullo").hexdigest()


def test_a_file_that_is_not_there_is_an_error_each_time(tmp_path: Path) -> None:
    known = Proven()
    for _ in range(2):
        with pytest.raises(FileNotFoundError):
            known.digest(tmp_path / "none")
    assert not known.has(tmp_path / "none", _HELLO)


def test_blobs_that_go_into_several_wheelhouses_are_not_read_for_it(tmp_path: Path, read: list[Path]) -> None:
    store = Store(tmp_path / "store")
    store.add(io.BytesIO(b"hello"))
    for name in ("one", "two", "three"):
        assemble.place(store, tmp_path / name, [entry("wheels/a.whl")])
        assert store.proven.digest(tmp_path / name / "wheels/a.whl") == _HELLO
        assert (tmp_path / name / "wheels/a.whl").stat().st_ino == store.path(_HELLO).stat().st_ino
    assert read == []


@pytest.mark.parametrize("times", [0, 1, 3])
def test_a_blob_that_was_changed_is_told_however_often_it_was_linked(tmp_path: Path, times: int) -> None:
    store = Store(tmp_path / "store")
    store.add(io.BytesIO(b"hello"))
    for time_of in range(times):
        assemble.place(store, tmp_path / str(time_of), [entry("wheels/a.whl")])
    touched(store.path(_HELLO), b"hullo")
    with pytest.raises(DamagedBlobError):
        assemble.place(store, tmp_path / "two", [entry("wheels/a.whl")])


def test_a_change_before_a_link_is_not_taken_for_the_link(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    store.add(io.BytesIO(b"hello"))
    blob = store.path(_HELLO)
    touched(blob, b"hullo")
    with store.proven.linking(blob):
        assemble.link_or_copy(blob, tmp_path / "link")
    assert not store.proven.has(blob, _HELLO)


def test_a_copy_on_another_file_system_is_read(tmp_path: Path, read: list[Path]) -> None:
    store = Store(tmp_path / "store")
    store.add(io.BytesIO(b"hello"))
    copy = tmp_path / "copy"
    copy.write_bytes(b"hello")
    assert store.proven.digest(copy) == _HELLO
    assert read == [copy]
