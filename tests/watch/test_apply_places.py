"""`invoke watch --apply` where the places of new locks cannot be written, or are written by somebody else meanwhile."""

from __future__ import annotations

import errno
import io
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from index_server import Handler
from small_world import Invoked, World, sdist, wheel
from watched_world import LOCK, STACK, lock_files

from ascend_wheelhouse.base.errors import FileTroubleError, FullDiskError
from ascend_wheelhouse.watch.taking_places import ChangedMeanwhileError, LockPlace, LocksBefore

pytest_plugins = ["watched_fixtures"]

_NOBODY = {"WHEELHOUSE_MIRRORS": "https://api.osv.dev/=http://127.0.0.1:9/", "PIP_RETRIES": "0"}
_MACHINES = ("aarch64", "x86_64")
_PLACES = tuple(LockPlace(folder=LOCK, platform=machine) for machine in _MACHINES)


def _tree(root: Path) -> dict[str, bytes]:
    files = (path for path in root.rglob("*") if path.is_file() and path.parent.name != ".state")
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


def _project(root: Path, text: str) -> Path:
    """Write a stack and its locks for two machines."""
    (root / "lockfiles" / LOCK).mkdir(parents=True)
    (root / "recipes/stacks").mkdir(parents=True)
    (root / f"recipes/stacks/{STACK}.toml").write_text(text)
    for machine in _MACHINES:
        (root / f"lockfiles/{LOCK}/pylock.{machine}.toml").write_text(text)
    return root


def test_all_take_their_places(tmp_path: Path) -> None:
    root, copy = _project(tmp_path / "root", "old"), _project(tmp_path / "copy", "new")
    LocksBefore.now(root, _PLACES, STACK).replace_from(copy, _PLACES)
    assert _tree(root) == _tree(copy)


@pytest.mark.parametrize("failing", range(3))
@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied", "x"), KeyboardInterrupt()])
def test_where_one_cannot_be_placed_every_file_is_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: int, error: BaseException
) -> None:
    """A file of the first lock, one of the second, or the stack does not get its name."""
    root, copy = _project(tmp_path / "root", "old"), _project(tmp_path / "copy", "new")
    before, replaced = _tree(root), Path.replace
    target = (
        root
        / (f"recipes/stacks/{STACK}.toml", *(f"lockfiles/{LOCK}/pylock.{one}.toml" for one in _MACHINES))[
            failing
        ]
    )

    def refuses(part: Path, place: Path) -> Path:
        if place == target and part.read_text() == "new":
            raise error
        return replaced(part, place)

    standing = LocksBefore.now(root, _PLACES, STACK)
    monkeypatch.setattr(Path, "replace", refuses)
    expected = KeyboardInterrupt if isinstance(error, KeyboardInterrupt) else FileTroubleError
    with pytest.raises(expected):
        standing.replace_from(copy, _PLACES)
    assert _tree(root) == before


@pytest.mark.parametrize("fits", range(3))
def test_on_a_disk_that_stays_full_every_file_is_as_it_was_and_nothing_is_left_beside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fits: int
) -> None:
    """The old files could not be written back either, and half of the new ones lay beside them."""
    root, copy = _project(tmp_path / "root", "old"), _project(tmp_path / "copy", "new")
    before, written = _tree(root), iter(range(fits))

    def write(number: int, data: bytes) -> int:
        if next(written, None) is None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return os.pwrite(number, data, 0)

    standing = LocksBefore.now(root, _PLACES, STACK)
    monkeypatch.setattr(os, "write", write)
    with pytest.raises(FullDiskError):
        standing.replace_from(copy, _PLACES)
    assert _tree(root) == before


def test_a_lock_without_a_file_of_its_own_has_none_after_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The project folder of an installed program has the program's locks and stacks until it has its own."""
    root, copy = tmp_path / "root", _project(tmp_path / "copy", "new")
    root.mkdir()
    replaced = Path.replace

    def refuses(part: Path, place: Path) -> Path:
        if place.name == f"{STACK}.toml":
            raise PermissionError(13, "Permission denied", str(place))
        return replaced(part, place)

    standing = LocksBefore.now(root, _PLACES, STACK)
    monkeypatch.setattr(Path, "replace", refuses)
    with pytest.raises(FileTroubleError):
        standing.replace_from(copy, _PLACES)
    assert _tree(root) == {}


@pytest.mark.parametrize("name", [f"recipes/stacks/{STACK}.toml", f"lockfiles/{LOCK}/pylock.x86_64.toml"])
def test_what_somebody_else_wrote_meanwhile_is_kept(tmp_path: Path, name: str) -> None:
    root, copy = _project(tmp_path / "root", "old"), _project(tmp_path / "copy", "new")
    standing = LocksBefore.now(root, _PLACES, STACK)
    (root / name).write_text("theirs")
    before = _tree(root)
    with pytest.raises(ChangedMeanwhileError):
        standing.replace_from(copy, _PLACES)
    assert _tree(root) == before


def _while_it_is_made(world: World, happens: Callable[[], object]) -> Invoked:
    """Move torch_npu, and have something happen while the lock is made."""
    new = "torch_npu-2.8.0.post4-py3-none-any.whl"
    world.index.offer(new, wheel("torch_npu", "2.8.0.post4", ["torch==2.8.0"]))

    def answer(handler: Handler) -> None:
        happens()
        handler.send_file(world.index.files[new])

    world.index.behave(new, answer)
    return world.invoke("watch", "--apply", "--only", "torch-npu", "--resolver", "uv", **_NOBODY)


def test_what_another_run_moved_in_the_same_stack_is_not_lost(world: World) -> None:
    stack = world.root / f"recipes/stacks/{STACK}.toml"
    theirs = stack.read_text().replace('triton-ascend = "3.2.0"', 'triton-ascend = "3.2.1"')
    before = lock_files(world)
    ended = _while_it_is_made(world, lambda: stack.write_text(theirs))
    assert (ended.status, stack.read_text()) == (2, theirs), ended.out + ended.err
    assert lock_files(world) == before | {f"recipes/stacks/{STACK}.toml": theirs.encode()}
    assert f"Not made anew, and as before: {LOCK}/aarch64." in ended.out
    assert "was changed while the new lock was made" in ended.err


def test_a_lock_that_stays_behind_an_application_that_moved_is_told(world: World) -> None:
    old, new = io.BytesIO(sdist()), io.BytesIO()
    with tarfile.open(fileobj=old) as read, tarfile.open(fileobj=new, mode="w:gz") as written:
        for member in read:
            content = read.extractfile(member)
            text = content.read().replace(b'version = "1.0"', b'version = "1.1"') if content else b""
            member.name, member.size = member.name.replace("-1.0/", "-1.1/"), len(text)
            written.addfile(member, io.BytesIO(text))
    world.index.offer("sglang-1.1.tar.gz", new.getvalue())
    ended = world.invoke("watch", "--apply", "--only", "sglang", "--resolver", "uv", **_NOBODY)
    assert ended.status == 0, ended.out + ended.err
    assert f"lockfiles/{LOCK} stays beside it" in ended.out


def test_a_place_that_the_system_refuses_is_told_as_that_of_its_lock(world: World) -> None:
    part = world.root / ".locks.set-part"
    before = lock_files(world)
    ended = _while_it_is_made(world, part.touch)
    part.unlink()
    assert (ended.status, lock_files(world)) == (10, before), ended.out + ended.err
    assert f"Not made anew, and as before: {LOCK}/aarch64." in ended.out
    assert "Next: " in ended.err


_READ_ONLY = 'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && shift && exec "$@"'


@pytest.mark.parametrize("closed", [".", "lockfiles", "recipes/stacks"])
def test_a_read_only_project_folder_is_told_before_a_lock_is_made(world: World, closed: str) -> None:
    """It was told after the lock was made and audited, as a mistyped path of a hidden folder."""
    world.index.offer(
        "torch_npu-2.8.0.post4-py3-none-any.whl", wheel("torch_npu", "2.8.0.post4", ["torch==2.8.0"])
    )
    before, folder = lock_files(world), world.root / closed
    beside = {name: str(world.root.parent / name) for name in ("WHEELHOUSE_STORE", "XDG_CACHE_HOME", "HOME")}
    namespace = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", _READ_ONLY, "sh", str(folder)]
    invoke = [str(Path(sys.executable).parent / "invoke"), "watch", "--apply", "--only", "torch-npu"]
    ended = subprocess.run(
        [*namespace, *invoke],
        cwd=world.root,
        env={**world.env, **_NOBODY, **beside},
        capture_output=True,
        text=True,
        check=False,
    )
    told = " ".join(ended.stderr.split())
    assert ended.returncode == 10, told
    assert f"{folder} cannot be written: Read-only file system." in told.replace("/. ", " ")
    assert "resolve:" not in told
    assert lock_files(world) == before
