"""Every kind of place keeps what a cache needs: whole objects, the first of two writers, a listing, and no remains."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path

import pytest
from site_run import MakeSite, pull, push

from ascend_wheelhouse.origins.http import Http
from ascend_wheelhouse.origins.mirrors import Mirrors
from ascend_wheelhouse.shared_cache.address import Address
from ascend_wheelhouse.shared_cache.opening import reach
from ascend_wheelhouse.shared_cache.remote import Remote, RemoteError

pytest_plugins = ["cache_fixtures"]


@pytest.fixture
def remote(place: str) -> Remote:
    return reach(Address.of(place), Http(mirrors=Mirrors()))


def test_an_object_is_there_whole_or_not_at_all_and_the_first_writer_wins(remote: Remote) -> None:
    assert remote.read("results/aa/one.json") is None
    assert remote.stat("results/aa/one.json") is None
    assert remote.write("results/aa/one.json", b"first", replace=False)
    assert not remote.write("results/aa/one.json", b"second", replace=False)
    assert remote.read("results/aa/one.json") == b"first"
    assert remote.write("results/aa/one.json", b"third", replace=True)
    assert remote.read("results/aa/one.json") == b"third"
    assert list(remote.listing("incoming")) == []


def test_files_are_listed_with_size_and_age_and_can_be_removed(remote: Remote, tmp_path: Path) -> None:
    source = tmp_path / "wheel"
    source.write_bytes(b"x" * 3_000_000)
    for name in ("blobs/aa/aa1", "blobs/bb/bb1"):
        remote.upload(name, source)
    found = {one.name: one for one in remote.listing("blobs")}
    assert {name: one.size for name, one in found.items()} == {
        "blobs/aa/aa1": 3_000_000,
        "blobs/bb/bb1": 3_000_000,
    }
    assert all(abs(one.modified - time.time()) < 60 for one in found.values())
    assert [one.name for one in remote.listing("blobs/bb")] == ["blobs/bb/bb1"]
    remote.refresh("blobs/aa/aa1")
    remote.remove(["blobs/aa/aa1", "blobs/aa/gone"])
    assert [one.name for one in remote.listing("blobs")] == ["blobs/bb/bb1"]


def test_an_upload_that_fails_leaves_nothing(remote: Remote, tmp_path: Path) -> None:
    with pytest.raises((RemoteError, OSError)):
        remote.upload("blobs/aa/aa1", tmp_path / "missing")
    assert list(remote.listing("blobs")) == []
    assert list(remote.listing("incoming")) == []


def test_what_a_killed_writer_left_in_a_folder_is_removed_once_it_is_old(tmp_path: Path) -> None:
    remote = reach(Address.of(f"file://{tmp_path}/cache"), Http(mirrors=Mirrors()))
    remote.write("results/aa/one.json", b"first", replace=False)
    for name, age in (("old", 90_000), ("young", 60)):
        path = tmp_path / "cache/incoming" / name
        path.write_bytes(b"half")
        os.utime(path, (time.time() - age,) * 2)
    remote.drop_unfinished(time.time() - 86_400)
    assert [one.name for one in remote.listing("incoming")] == ["incoming/young"]


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_file_system_without_hard_links_holds_a_cache_all_the_same(
    tmp_path: Path, site: MakeSite, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """link(2): EPERM is what a file system says that has none; shares say the others."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", refuse)
    maker = site("maker", f"file://{tmp_path}/cache", pushes=True)
    push(maker)
    assert pull(site("user", f"file://{tmp_path}/cache")) == b"a bundle"
    remote = reach(Address.of(f"file://{tmp_path}/cache"), Http(mirrors=Mirrors()))
    assert remote.write("results/aa/a.json", b"1", replace=False)
    assert not remote.write("results/aa/a.json", b"2", replace=False)
    assert remote.read("results/aa/a.json") == b"1"
    assert list(tmp_path.glob("cache/incoming/*")) == []
    assert maker.warnings == []
