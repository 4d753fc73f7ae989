"""Project files of strangers, read out of their source archives."""

import io
import tarfile
from pathlib import Path

import pytest

from ascend_wheelhouse.base.pyproject import BadProjectFileError
from ascend_wheelhouse.build.job import Archive
from ascend_wheelhouse.cells.project import ProjectFile, runtime_requirements
from ascend_wheelhouse.pin.archive_facts import epoch_of
from ascend_wheelhouse.pin.source_text import project_files
from ascend_wheelhouse.store.store import Store
from ascend_wheelhouse.store.store_faults import DamagedBlobError

TABLE = ProjectFile(files=("pyproject_npu.toml",), extra="srt")


def sdist(text: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        member = tarfile.TarInfo("sglang-1.0/pyproject_npu.toml")
        member.size = len(text)
        archive.addfile(member, io.BytesIO(text))
    return buffer.getvalue()


def requirements(folder: Path, packed: bytes) -> list[str]:
    store = Store(folder / "store")
    tree = Archive(filename="sglang-1.0.tar.gz", sha256=store.add(io.BytesIO(packed)))
    held = project_files(tree, store, ".", TABLE.files)
    return runtime_requirements(TABLE, "sglang", "1.0", held)


def test_extras_that_name_each_other_are_each_taken_once(tmp_path: Path) -> None:
    text = b"""[project]
dependencies = ["a"]
[project.optional-dependencies]
srt = ["sglang[b]", "c"]
b = ["sglang[srt]", "d"]
"""
    assert requirements(tmp_path, sdist(text)) == ["a", "c", "d"]


@pytest.mark.parametrize(
    "text",
    [
        b"garbage",
        b"\xff",
        b"x = " + b"[" * 5000,
        b"project = 3",
        b"[project]\ndependencies = 'a'",
        b"[project]\ndependencies = ['>=']",
        b"[project.optional-dependencies]\nsrt = [3]",
        b"#" * (5 << 20),
    ],
    ids=["garbage", "no UTF-8", "deep", "no table", "no list", "no requirement", "a number", "long"],
)
def test_a_project_file_that_is_none_is_exit_5(tmp_path: Path, text: bytes) -> None:
    with pytest.raises(BadProjectFileError) as caught:
        requirements(tmp_path, sdist(text))
    assert caught.value.exit_code == 5
    assert caught.value.next_step


def test_a_source_archive_that_is_cut_short_is_exit_5(tmp_path: Path) -> None:
    with pytest.raises(BadProjectFileError) as caught:
        requirements(tmp_path, sdist(b"[project]\ndependencies = ['a']\n" * 99)[:60])
    assert caught.value.exit_code == 5


def test_what_was_read_of_an_archive_is_kept_by_its_digest_and_by_what_was_asked(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    packed = sdist(b"[project]\n")
    tree = Archive(filename="sglang-1.0.tar.gz", sha256=store.add(io.BytesIO(packed)))
    held, epoch = project_files(tree, store, ".", TABLE.files), epoch_of(store, tree.sha256)
    store.path(tree.sha256).unlink()
    assert project_files(tree, store, ".", TABLE.files) == held == {"pyproject_npu.toml": b"[project]\n"}
    assert epoch_of(store, tree.sha256) == epoch
    with pytest.raises(FileNotFoundError):
        project_files(tree, store, ".", ("setup.py",))


def test_kept_words_of_an_archive_that_were_altered_are_read_anew(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    tree = Archive(filename="sglang-1.0.tar.gz", sha256=store.add(io.BytesIO(sdist(b"[project]\n"))))
    held = project_files(tree, store, ".", TABLE.files)
    (kept,) = (store.root / "results").rglob("*.json")
    kept.write_text('{"texts": {"pyproject_npu.toml": "no base64!"}}', encoding="utf-8")
    assert project_files(tree, store, ".", TABLE.files) == held


def test_an_archive_that_was_damaged_in_the_store_is_told_as_that(tmp_path: Path) -> None:
    """The lock was said to name the wrong file, at every run."""
    store = Store(tmp_path / "store")
    for read in (
        epoch_of,
        lambda store, sha256: project_files(Archive(filename="a", sha256=sha256), store, ".", ["b"]),
    ):
        sha256 = store.add(io.BytesIO(sdist(b"[project]")))
        store.path(sha256).chmod(0o644)
        store.path(sha256).write_bytes(b"damaged")
        with pytest.raises(DamagedBlobError, match="was damaged"):
            read(store, sha256)
        assert not store.has(sha256)
