"""Whoever can write to a cache may put links, pipes and endless files there: nothing outside of it is touched."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
from invoking import invoke
from site_run import KEY, MakeSite, pull, push

from ascend_wheelhouse.origins.http import Http
from ascend_wheelhouse.origins.mirrors import Mirrors
from ascend_wheelhouse.shared_cache import entries
from ascend_wheelhouse.shared_cache.address import Address
from ascend_wheelhouse.shared_cache.opening import reach
from ascend_wheelhouse.shared_cache.remote import Remote, RemoteRefusedError, UnavailableError
from ascend_wheelhouse.shared_cache.retention import InUse, Retention, holdings, prune
from ascend_wheelhouse.shared_cache.site import blob
from ascend_wheelhouse.store.store import Store

pytest_plugins = ["cache_fixtures"]
ALL = Retention(seconds=0)
_Answer = TypeVar("_Answer")


def in_time(action: Callable[[], _Answer]) -> _Answer:
    """Return what an action gives; an action that waits for ever fails the test and hangs nothing."""
    found: list[_Answer] = []
    thread = threading.Thread(target=lambda: found.append(action()), daemon=True)
    thread.start()
    thread.join(60)
    assert found, "it never ended, or failed"
    return found[0]


def at(place: str) -> Remote:
    return reach(Address.of(place), Http(mirrors=Mirrors()))


def old_file(folder: Path) -> Path:
    folder.mkdir(parents=True)
    path = folder / "thesis.txt"
    path.write_text("years of work")
    os.utime(path, (0, 0))
    return path


@pytest.mark.parametrize("folder", ["incoming", "blobs", "results"])
def test_pruning_removes_nothing_by_way_of_a_link(folder: str, place: str, tmp_path: Path) -> None:
    if place.startswith("s3:"):
        pytest.skip("S3 has no links")
    thesis = old_file(tmp_path / "somebody")
    remote = at(place)
    remote.write("results/aa/one.json", b"{}", replace=True)
    root = tmp_path / "cache"
    if (root / folder).exists():
        (root / folder).rename(tmp_path / "before")
    (root / folder).symlink_to(thesis.parent)
    with pytest.raises(RemoteRefusedError, match=rf"^{folder} is a link there, and no folder$"):
        prune(remote, ALL, InUse())
    assert thesis.exists()


def test_a_link_among_the_files_of_a_cache_is_removed_and_not_followed(tmp_path: Path) -> None:
    thesis = old_file(tmp_path / "somebody")
    remote = at(f"file://{tmp_path}/cache")
    remote.write("blobs/aa/aa1", b"x", replace=True)
    for name, target in (("blobs/aa/aa2", thesis), ("blobs/bb", thesis.parent)):
        (tmp_path / "cache" / name).symlink_to(target)
        os.utime(tmp_path / "cache" / name, (0, 0), follow_symlinks=False)
    assert prune(remote, ALL, InUse()).files == 1
    assert thesis.exists()
    assert not (tmp_path / "cache/blobs/aa/aa2").is_symlink()
    with pytest.raises(RemoteRefusedError, match=r"^bb is a link there, and no folder$"):
        remote.upload("blobs/bb/bb1", thesis)
    with pytest.raises(RemoteRefusedError, match=r"^bb is a link there, and no folder$"):
        remote.remove(["blobs/bb/thesis.txt"])
    assert list(thesis.parent.iterdir()) == [thesis]


def test_what_is_pushed_is_written_to_no_file_that_was_put_in_the_place_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another writer puts a link where the file that is on its way was just made."""
    thesis, source = old_file(tmp_path / "somebody"), tmp_path / "wheel"
    source.write_bytes(b"a wheel")
    remote = at(f"file://{tmp_path}/cache")
    remote.write("results/aa/one.json", b"{}", replace=True)
    real = os.open

    def swapped(path: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        number = real(path, flags, mode, dir_fd=dir_fd)
        if flags & os.O_EXCL:
            (made,) = (tmp_path / "cache/incoming").iterdir()
            made.unlink()
            made.symlink_to(thesis)
        return number

    monkeypatch.setattr(os, "open", swapped)
    remote.upload("blobs/aa/aa1", source)
    assert thesis.read_text() == "years of work"


@pytest.mark.parametrize("kind", ["pipe", "socket", "folder"])
def test_an_entry_that_is_no_file_is_told_and_not_waited_for(
    kind: str, site: MakeSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    push(site("maker", f"file://{tmp_path}/cache", pushes=True))
    entry = tmp_path / "cache" / entries.place(KEY)
    entry.unlink()
    make_odd(entry, kind, monkeypatch)
    user = site("user", f"file://{tmp_path}/cache")
    assert in_time(lambda: pull(user)) is None
    (warning,) = user.warnings
    assert "is not used" in warning or "No such device" in warning


@pytest.mark.parametrize("kind", ["pipe", "socket", "folder"])
def test_a_file_that_is_none_is_a_miss_and_not_waited_for(
    kind: str, site: MakeSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sha256 = push(site("maker", f"file://{tmp_path}/cache", pushes=True))
    path = tmp_path / "cache" / blob(sha256)
    path.unlink()
    make_odd(path, kind, monkeypatch)
    user = site("user", f"file://{tmp_path}/cache")
    assert in_time(lambda: pull(user)) is None


def make_odd(path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        monkeypatch.chdir(path.parent)  # the name of a socket has 107 bytes at most
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name[:20])
        Path(path.name[:20]).rename(path.name)


def test_a_pipe_among_the_entries_keeps_no_pruning_waiting(tmp_path: Path) -> None:
    remote = at(f"file://{tmp_path}/cache")
    remote.write("results/aa/one.json", b"{}", replace=True)
    os.mkfifo(tmp_path / "cache/results/aa/two.json")
    assert in_time(lambda: prune(remote, ALL, InUse())).results == 0


def test_a_file_without_an_end_is_given_up_at_the_size_that_it_should_have(
    place: str, site: MakeSite, tmp_path: Path
) -> None:
    """A sparse file costs the attacker nothing, and would fill the disk here."""
    if place.startswith("s3:"):
        pytest.skip("an object of S3 takes the place that it has")
    sha256 = push(site("maker", place, pushes=True))
    os.truncate(tmp_path / "cache" / blob(sha256), 300 << 20)
    user = site("user", place)
    assert in_time(lambda: pull(user)) is None
    assert "expected 8" in user.warnings[0]
    assert list(Store(user.root / "store").blobs()) == []


def test_nothing_is_removed_in_a_folder_that_is_no_cache(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An image layout has a folder of that name, too, and its files are older than any bound."""
    thesis = old_file(tmp_path / "image/blobs/sha256")
    assert invoke("cache", "--prune", "--cache", tmp_path / "image", root=tmp_path) == 2
    assert "is no cache that this version of the tool knows: nothing is removed" in capsys.readouterr().err
    assert thesis.exists()
    assert [one.name for one in (tmp_path / "image").iterdir()] == ["blobs"]


def test_a_cache_may_be_a_link_itself(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "cache").symlink_to(tmp_path / "disk")
    remote = at(f"file://{tmp_path}/cache")
    remote.write("results/aa/one.json", b"{}", replace=True)
    assert holdings(remote).results == 1
    assert (tmp_path / "disk/results/aa/one.json").read_bytes() == b"{}"


@pytest.mark.parametrize("name", ["results/bb/two.json", "results/aa/x", "wheelhouse-cache.json"])
def test_a_link_that_leads_to_itself_stops_no_pruning_of_the_rest(name: str, tmp_path: Path) -> None:
    remote = at(f"file://{tmp_path}/cache")
    remote.write("results/aa/one.json", b"{}", replace=True)
    path = tmp_path / "cache" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(path.name)
    in_time(lambda: prune(remote, ALL, InUse()) or True)
    assert in_time(lambda: holdings(remote)).files == 0
    in_time(lambda: (remote.read(name), remote.stat(name)))


def test_nothing_is_removed_where_a_folder_of_results_cannot_be_listed(
    tmp_path: Path, site: MakeSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its results were no results, and their files were removed. Tests may run as root, whom no rights keep out."""
    sha256 = push(site("maker", f"file://{tmp_path}/cache", pushes=True))
    (result,) = tmp_path.glob("cache/results/??/*.json")
    file = tmp_path / "cache" / blob(sha256)
    os.utime(file, (0, 0))
    opened = os.open

    def closed(path: str | Path, flags: int, *rest: int, dir_fd: int | None = None) -> int:
        if path == result.parent.name and dir_fd is not None:
            raise PermissionError(13, "Permission denied")
        return opened(path, flags, *rest, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", closed)
    remote = at(f"file://{tmp_path}/cache")
    with pytest.raises(RemoteRefusedError, match="Permission denied"):
        holdings(remote)
    with pytest.raises(RemoteRefusedError, match="Permission denied"):
        prune(remote, ALL, InUse())
    assert file.exists()


@pytest.mark.parametrize("place", ["sftp"], indirect=True)
def test_a_server_that_fails_to_read_is_not_told_as_one_that_is_full(place: str, tmp_path: Path) -> None:
    """SFTP has one word for both, and whoever only reads fills no disk."""
    (tmp_path / "cache/results/aa/one.json").mkdir(parents=True)
    with pytest.raises(UnavailableError, match="could not read: its disk may be faulty, or a folder lies"):
        at(place).read("results/aa/one.json")
