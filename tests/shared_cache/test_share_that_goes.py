"""A cache in a folder whose share goes away in the midst of a run: nothing is written into what shows in its place."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ascend_wheelhouse.shared_cache.address import Address
from ascend_wheelhouse.shared_cache.folder_remote import FolderRemote
from ascend_wheelhouse.shared_cache.remote import UnavailableError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The folder of a cache."""
    return tmp_path / "cache"


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """A folder on another file system."""
    memory = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it
    if not memory.is_dir() or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is one file system")
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


def _remote(root: Path) -> FolderRemote:
    return FolderRemote(Address.of(root.as_uri()))


def test_a_folder_that_is_gone_is_not_made_again(root: Path) -> None:
    remote = _remote(root)
    assert remote.write("one", b"1", replace=True)
    shutil.rmtree(root)
    with pytest.raises(UnavailableError, match="No such file"):
        remote.write("two", b"2", replace=True)
    assert not root.exists()


def test_another_file_system_in_its_place_is_not_written_to(
    root: Path, elsewhere: Path, tmp_path: Path
) -> None:
    (tmp_path / "mounted").mkdir()
    root.symlink_to(tmp_path / "mounted")
    remote = _remote(root)
    assert remote.write("one", b"1", replace=True)
    root.unlink()
    root.symlink_to(elsewhere)
    with pytest.raises(UnavailableError, match="another file system"):
        remote.write("two", b"2", replace=True)
    assert [*elsewhere.iterdir()] == []
