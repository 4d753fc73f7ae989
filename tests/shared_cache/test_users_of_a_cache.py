"""Several users push to one cache: what each makes there has the rights of the cache's own folder, not of his umask."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from site_run import MakeSite, pull, push

from ascend_wheelhouse.shared_cache.folder_remote import FolderRemote
from ascend_wheelhouse.shared_cache.remote import RemoteRefusedError
from ascend_wheelhouse.shared_cache.site import blob

pytest_plugins = ["cache_fixtures"]


@pytest.fixture
def closed() -> Iterator[None]:
    """Have what is made here be for this user alone."""
    before = os.umask(0o077)
    yield
    os.umask(before)


def _rights(root: Path) -> dict[str, set[int]]:
    found: dict[str, set[int]] = {"folder": set(), "file": set()}
    for path in root.rglob("*"):
        found["folder" if path.is_dir() else "file"].add(stat.S_IMODE(path.stat().st_mode))
    return found


@pytest.mark.parametrize("place", ["file", "sftp"], indirect=True)
@pytest.mark.usefixtures("closed")
def test_what_one_user_pushes_can_be_added_to_by_the_group_of_the_folder(
    place: str, tmp_path: Path, site: MakeSite
) -> None:
    root = tmp_path / "cache"
    root.mkdir()
    root.chmod(0o2770)
    push(site("maker", place, pushes=True))
    found = _rights(root)
    assert all(mode & 0o2770 == 0o2770 for mode in found["folder"]), found
    assert found["file"] == {0o664}


@pytest.mark.parametrize("place", ["file", "sftp"], indirect=True)
@pytest.mark.usefixtures("closed")
def test_a_folder_that_one_user_alone_may_write_is_opened_to_no_other(
    place: str, tmp_path: Path, site: MakeSite
) -> None:
    root = tmp_path / "cache"
    root.mkdir()
    root.chmod(0o755)
    push(site("maker", place, pushes=True))
    assert _rights(root) == {"folder": {0o755}, "file": {0o644}}


@pytest.mark.usefixtures("closed")
def test_what_is_made_is_shared_where_it_is_another_users_at_once(
    tmp_path: Path, site: MakeSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On NFS with `root_squash` what root makes is nobody's, as `test_nfs` of the machines shows."""
    root = tmp_path / "cache"
    root.mkdir()
    root.chmod(0o2777)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    push(site("maker", f"file://{root}", pushes=True))
    assert _rights(root) == {"folder": {0o2777}, "file": {0o666}}


@pytest.mark.skipif(os.geteuid() != 0, reason="gives a folder to a group that this user is not in")
def test_what_is_pushed_has_the_group_of_the_folder(tmp_path: Path, site: MakeSite) -> None:
    root = tmp_path / "cache"
    root.mkdir()
    os.chown(root, -1, 4000)
    root.chmod(0o775)
    push(site("maker", f"file://{root}", pushes=True))
    assert {path.stat().st_gid for path in root.rglob("*")} == {4000}


def test_an_old_file_of_another_user_is_written_anew_and_pushing_goes_on(
    tmp_path: Path, site: MakeSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only who owns a file, or may write it, can have it count as new; an older version wrote some for their owner."""
    url = f"file://{tmp_path}/cache"
    old = tmp_path / "cache" / blob(push(site("maker", url, pushes=True), "build-1", b"same"))
    os.utime(old, (time.time() - 3 * 86_400,) * 2)

    def refused(_remote: FolderRemote, _name: str) -> None:
        raise RemoteRefusedError("Operation not permitted")

    monkeypatch.setattr(FolderRemote, "refresh", refused)
    second = site("second", url, pushes=True)
    push(second, "build-2", b"same")
    assert second.warnings == []
    assert time.time() - old.stat().st_mtime < 3600
    assert pull(site("user", url), "build-2") == b"same"
