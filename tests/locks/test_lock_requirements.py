from pathlib import Path

import pytest

from ascend_wheelhouse.base.artifact import Artifact
from ascend_wheelhouse.base.packaged import lockfiles_of
from ascend_wheelhouse.cells.target import Target
from ascend_wheelhouse.locks.lock import BadLockError, Lock, files, load_platform, save
from ascend_wheelhouse.locks.pylock import LockedFile

TARGET = Target.named("aarch64")
NAME = "requirements.aarch64.txt"
ROOT = Path(__file__).parents[2]


def locked(name: str, digest: str) -> LockedFile:
    artifact = Artifact(filename=f"{name}-1.0-py3-none-any.whl", size=3, sha256=digest * 64)
    return LockedFile(name=name, version="1.0", artifact=artifact, via=("torch",))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    wheels = (locked("numpy", "a"), locked("idna", "b"))
    lock = Lock(stack="s", platform="aarch64", cell={}, derived=False, recipes_digest="d", wheels=wheels)
    save(lock, TARGET, tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("numpy==1.0", "numpy==2.0", "it lacks 'numpy==1.0 --hash=sha256:aaa"),
        ("b" * 64, "c" * 64, "it lacks 'idna==1.0 --hash=sha256:bbb"),
        ("idna==1.0 \\", "<<<<<<< HEAD\nidna==1.0 \\", "it holds '<<<<<<< HEAD', which the pylock has not"),
        ("idna==1.0 \\", "evil==1.0\nidna==1.0 \\", "it holds 'evil==1.0', which the pylock has not"),
    ],
)
def test_requirements_that_disagree_with_their_pylock_are_refused(
    folder: Path, before: str, after: str, told: str
) -> None:
    path = folder / NAME
    text = path.read_text("utf-8")
    assert before in text
    path.write_text(text.replace(before, after), "utf-8")
    with pytest.raises(BadLockError) as refused:
        load_platform(folder, "aarch64")
    assert NAME in refused.value.what
    assert told in refused.value.what


def test_bytes_that_are_no_text_are_refused(folder: Path) -> None:
    (folder / NAME).write_bytes(b"\xff\xfe\x00garbage")
    with pytest.raises(BadLockError, match="lacks"):
        load_platform(folder, "aarch64")


def test_comments_order_and_line_ends_are_of_no_account(folder: Path) -> None:
    path = folder / NAME
    first, second = path.read_text("utf-8").split("numpy==1.0")
    head, mark, idna = first.partition("idna==1.0")
    text = f"# a word of our own\n{head}numpy==1.0{second}{mark}{idna}"
    path.write_bytes(text.replace("\n", "\r\n").encode())
    found = load_platform(folder, "aarch64")
    assert found is not None
    assert len(found.wheels) == 2


@pytest.mark.parametrize(
    "path",
    [path for folder in lockfiles_of(ROOT).every("*/") for path in sorted(folder.glob("pylock.*.toml"))],
    ids=lambda path: f"{path.parent.name}/{path.name}",
)
def test_a_committed_lock_is_what_its_own_files_give(path: Path) -> None:
    platform = path.name.split(".")[1]
    lock = load_platform(path.parent, platform)
    assert lock is not None
    texts = files(lock, Target.named(platform))
    there = {name: (path.parent / name).read_text("utf-8") for name in texts}
    assert [name for name, text in texts.items() if there[name] != text] == []
