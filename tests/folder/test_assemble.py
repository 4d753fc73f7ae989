import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from flushed import Flushed

from ascend_wheelhouse.base.events import Event, Note, silent
from ascend_wheelhouse.folder import assemble
from ascend_wheelhouse.folder.check import SumsMismatchError, check_sums
from ascend_wheelhouse.folder.manifest import NAME, NotAWheelhouseError, read
from ascend_wheelhouse.make import freshness


def finished(folder: Path) -> Path:
    entries = [
        assemble.write(folder, "wheels/a.whl", b"abc", "wheel"),
        assemble.write(folder, "b", b"", "lock"),
    ]
    (folder / NAME).write_text("{}")
    assemble.write_sums(folder, entries)
    return folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def write_a_file_over_a_folder(final: Path) -> None:
    with assemble.replacing(final) as part:
        assemble.write(part, "half", b"", "lock")
        assemble.write(part, "half/whole", b"", "lock")


def test_a_failed_run_leaves_the_last_good_wheelhouse(tmp_path: Path) -> None:
    final = tmp_path / "w"
    final.mkdir()
    (final / "good").touch()
    with pytest.raises(FileExistsError):
        write_a_file_over_a_folder(final)
    assert names(tmp_path) == [".state", "w"]
    assert names(final) == ["good"]


def test_a_folder_half_written_by_a_killed_run_is_replaced(tmp_path: Path) -> None:
    final = tmp_path / "w"
    for leftover in (".w.partial", ".w.old"):
        (tmp_path / leftover).mkdir()
        (tmp_path / leftover / "junk").touch()
    with assemble.replacing(final) as part:
        assert names(part) == []
        (part / "new").touch()
    assert names(tmp_path) == [".state", "w"]
    assert names(final) == ["new"]


def test_a_file_is_copied_where_no_link_can_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    (tmp_path / "a").write_bytes(b"abc")
    monkeypatch.setattr(os, "link", refuse)
    assemble.link_or_copy(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == b"abc"


@pytest.mark.parametrize("linked", [True, False])
def test_a_wheelhouse_is_on_its_disk_when_the_run_ends(
    *, linked: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "blob").write_bytes(b"abc")  # the store has flushed it
    flushed, told = Flushed(monkeypatch), list[Event]()
    with assemble.replacing(tmp_path / "w", told.append) as part:
        (part / "wheels").mkdir()
        (os.link if linked else shutil.copyfile)(tmp_path / "blob", part / "wheels/a.whl")
        finished(part / "rest")
    paths = list((tmp_path / "w").rglob("*"))
    assert {path.name for path in paths if not flushed.holds(path)} == ({"a.whl"} if linked else set())
    assert flushed.holds(tmp_path)
    assert [event.text for event in told if isinstance(event, Note)] == (
        [] if linked else [f"waiting until all of it is on the disk of {tmp_path / 'w'}"]
    )


def test_sha256sum_accepts_the_checksums(tmp_path: Path) -> None:
    finished(tmp_path)
    subprocess.run(["sha256sum", "--quiet", "--strict", "-c", assemble.SUMS], cwd=tmp_path, check=True)


def test_check_counts_the_files_of_an_untouched_wheelhouse(tmp_path: Path) -> None:
    assert check_sums(finished(tmp_path), silent) == 3


def test_check_names_each_changed_missing_and_extra_file(tmp_path: Path) -> None:
    finished(tmp_path)
    (tmp_path / "wheels/a.whl").write_bytes(b"abd")
    (tmp_path / "b").unlink()
    (tmp_path / "c").touch()
    with pytest.raises(SumsMismatchError) as caught:
        check_sums(tmp_path, silent)
    told = caught.value.what
    assert f"wheels/a.whl: {hashlib.sha256(b'abd').hexdigest()}, expected" in told
    assert "b: missing, expected" in told
    assert "c: not listed in SHA256SUMS" in told
    assert caught.value.exit_code == 5


def test_a_folder_without_a_manifest_is_no_wheelhouse(tmp_path: Path) -> None:
    with pytest.raises(NotAWheelhouseError, match=r"is not a wheelhouse: it has no manifest\.json"):
        read(tmp_path)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes/a.toml").write_text("x = 1")
    (tmp_path / "lockfiles/s").mkdir(parents=True)
    (tmp_path / "lockfiles/s/pylock.toml").write_text("y = 1")
    (tmp_path / "out/w").mkdir(parents=True)
    finished(tmp_path / "out/w")
    return tmp_path


def ask(project: Path) -> Path | None:
    return freshness.fresh(
        project / "state.json", root=project, store=project / "store", output=project / "out"
    )


def keep(project: Path) -> None:
    lock, folder = project / "lockfiles/s", project / "out/w"
    given = freshness.given_digest(project, project / "store")
    freshness.remember(
        project / "state.json",
        folder=folder,
        lock_folder=lock,
        inputs=freshness.inputs_digest(given, freshness.lock_digest(lock)),
        files=freshness.stamps(folder),
    )


def test_nothing_changed_is_nothing_to_do(project: Path) -> None:
    assert ask(project) is None
    keep(project)
    assert ask(project) == project / "out/w"


@pytest.mark.parametrize(
    "path", ["recipes/a.toml", "lockfiles/s/pylock.toml", "out/w/wheels/a.whl", "mirrors.toml"]
)
def test_a_changed_recipe_lock_mirror_or_wheel_is_seen(project: Path, path: str) -> None:
    keep(project)
    (project / path).write_text("z = 123456")
    assert ask(project) is None


def test_a_file_imported_since_is_seen(project: Path) -> None:
    keep(project)
    (project / "store/vendored/nnal").mkdir(parents=True)
    (project / "store/vendored/nnal/r.json").write_text("{}")
    assert ask(project) is None


def test_a_changed_installer_is_seen(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    node = tmp_path / "node"
    node.mkdir()
    (node / "install.py").write_text("old")
    monkeypatch.setattr(freshness, "_NODE", node)
    keep(project)
    (node / "install.py").write_text("new")
    assert ask(project) is None


def test_a_wheelhouse_behind_a_symlink_is_replaced_where_it_lies(tmp_path: Path) -> None:
    disk, named = tmp_path / "disk/cell", tmp_path / "cell"
    disk.mkdir(parents=True)
    (disk / "old").touch()
    named.symlink_to(disk)
    for name in ("first", "second"):
        with assemble.replacing(named) as part:
            (part / name).touch()
        assert named.is_symlink()
        assert [path.name for path in disk.iterdir()] == [name]
    assert {path.name for path in disk.parent.iterdir()} == {"cell", ".state"}
    assert {path.name for path in tmp_path.iterdir()} == {"cell", "disk"}


def test_of_a_symlink_the_link_alone_is_removed(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    assemble.remove(tmp_path / "link")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
