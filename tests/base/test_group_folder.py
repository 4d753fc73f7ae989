"""A folder of a group: two users lock, go on with and replace what is in it, whatever the umask of each."""

from __future__ import annotations

import fcntl
import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from group_users import FIRST, SECOND, as_user, both, folder_of_a_group, two_users

from ascend_wheelhouse.base import occupied, rights, whole_file
from ascend_wheelhouse.bundle.parts import PartWriter
from ascend_wheelhouse.folder import assemble
from ascend_wheelhouse.make import freshness
from ascend_wheelhouse.store.store import Store


@pytest.fixture(params=[0o2775, 0o2770, 0o770])
def group_folder(request: pytest.FixtureRequest) -> Iterator[Path]:
    """A folder of a group, in a place that every user reaches."""
    with folder_of_a_group(request.param) as folder:
        yield folder


@two_users
@pytest.mark.parametrize("umask", [0o022, 0o027, 0o077])
def test_both_write_what_one_name_and_another_stand_for(group_folder: Path, umask: int) -> None:
    def write(user: int) -> None:
        for name in ("same", str(user)):
            with occupied.writing(group_folder / name):
                pass
        state = freshness.state_file(group_folder, {"cell": "one"})
        freshness.remember(state, folder=group_folder, lock_folder=group_folder, inputs=str(user), files={})

    both(umask, write)


@two_users
def test_a_lock_of_an_older_run_is_told_with_what_its_owner_does(group_folder: Path) -> None:
    def older() -> None:
        (group_folder / ".state").mkdir(mode=0o755)

    def write() -> None:
        with pytest.raises(occupied.LockClosedError, match=r"\.state cannot be written") as caught:
            occupied.writing(group_folder / "bundle.tar").__enter__()
        assert f"chmod -R g+rwX {group_folder}/.state" in caught.value.next_step

    as_user(FIRST, 0o022, older)
    as_user(SECOND, 0o022, write)


@two_users
def test_a_lock_that_is_closed_is_told_before_any_work(group_folder: Path) -> None:
    def older() -> None:
        (group_folder / ".state").mkdir(mode=0o755)
        for name in ("there", "open"):
            (group_folder / f".state/{name}.lock").touch()
            (group_folder / f".state/{name}.lock").chmod(0o666 if name == "open" else 0o644)

    def look() -> None:
        for name, closed in (("there", ".state/there.lock"), ("not there", ".state")):
            with pytest.raises(occupied.LockClosedError, match=f"/{closed} cannot be written"):
                occupied.require_open(group_folder / name)
        occupied.require_open(group_folder / "open")
        occupied.require_open(group_folder / "none/yet")

    as_user(FIRST, 0o000, older)
    as_user(SECOND, 0o022, look)


@two_users
@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_both_write_sets_of_files(group_folder: Path, umask: int) -> None:
    def write(user: int) -> None:
        for name in ("same", str(user)):
            with whole_file.writing(group_folder, whole_file.inside(group_folder)):
                whole_file.put_set(group_folder, "set", {name: b"text"})
        number = os.open(whole_file.inside(group_folder), os.O_RDWR)
        fcntl.flock(number, fcntl.LOCK_EX)

    both(umask, write)


@two_users
@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_both_put_a_folder_in_place(group_folder: Path, umask: int) -> None:
    def write(user: int) -> None:
        with assemble.replacing(group_folder / "wheelhouse") as part:
            (part / "wheels").mkdir()
            (part / "wheels/one.whl").write_bytes(str(user).encode())

    both(umask, write)
    assert (group_folder / "wheelhouse/wheels/one.whl").read_text() == str(SECOND)
    assert [path.name for path in group_folder.iterdir() if path.name.endswith((".old", ".partial"))] == []


@two_users
@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_one_goes_on_with_the_bundle_that_the_other_began(group_folder: Path, umask: int) -> None:
    def write(_user: int) -> None:
        with PartWriter(group_folder / "bundle.tar") as writer:
            writer.write(b"some")

    both(umask, write)


@two_users
@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_both_fill_one_store(group_folder: Path, umask: int) -> None:
    same = hashlib.sha256(b"same").hexdigest()

    def fill(user: int) -> None:
        store = Store(group_folder)
        with store.lock("one"), store.in_use():
            for content in (b"same", str(user).encode()):
                with store.incoming() as path:
                    path.write_bytes(content)
                    store.adopt(path)
        store.check(same)
        known = store.result("key-1")
        assert known == (None if user == FIRST else {"by": FIRST})
        store.put_result("key-1", {"by": user})
        with store.partial("download") as partial:
            partial.remember({"etag": str(user)})
            with partial.path.open("ab") as file:
                file.write(b"x")
            rights.share(partial.path, write=True)

    both(umask, fill)


@pytest.mark.parametrize("mode", [0o755, 0o700, 0o1777])
def test_nothing_is_open_that_the_folder_is_not(tmp_path: Path, mode: int) -> None:
    tmp_path.chmod(mode)
    before = os.umask(0o077)
    try:
        with occupied.writing(tmp_path / "bundle.tar"), whole_file.writing(tmp_path / ".state"):
            pass
    finally:
        os.umask(before)
    found = [stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*")]
    assert len(found) == 3
    assert not [oct(one) for one in found if one & 0o022]


def test_a_lock_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.write_text("of another")
    rights.make_folder(tmp_path, ".state")
    (tmp_path / ".state/bundle.tar.lock").symlink_to(kept)
    with pytest.raises(OSError, match="symbolic links"), occupied.writing(tmp_path / "bundle.tar"):
        pass
    assert kept.read_text() == "of another"
