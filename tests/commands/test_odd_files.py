"""A pipe or a device in place of a file that is read back is told: nothing waits, nothing fills the memory."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from bundle_fixtures import write_wheelhouse

from ascend_wheelhouse.node import documents

INVOKE = Path(sys.executable).with_name("invoke")
ROOT = Path(__file__).parents[2]
_SECONDS = 60
_MEMORY = 3 << 30


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _endless(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


@pytest.fixture(params=[_pipe, _endless], ids=lambda put: put.__name__)
def put(request: pytest.FixtureRequest) -> Callable[[Path], None]:
    made: Callable[[Path], None] = request.param
    return made


def _run(root: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(INVOKE), *map(str, words)],
        cwd=root,
        env={**os.environ, "WHEELHOUSE_STORE": str(root / "store")},
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY)),
        check=False,
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    shutil.copytree(ROOT / "recipes", root / "recipes")
    (root / "lockfiles").mkdir()
    (root / "tasks.py").symlink_to(ROOT / "tasks.py")
    return root


@pytest.mark.parametrize(
    "words",
    [("audit", "--wheelhouse"), ("show", "--wheelhouse"), ("vendor",), ("bundle", "--wheelhouse")],
    ids=" ".join,
)
def test_a_manifest_that_is_no_file_is_refused_at_once(
    project: Path, tmp_path: Path, put: Callable[[Path], None], words: tuple[str, ...]
) -> None:
    house = write_wheelhouse(tmp_path / "house")
    put(house / "manifest.json")
    done = _run(project, *words, house)
    assert done.returncode == 2, done.stderr
    assert "manifest.json" in done.stderr


def test_a_member_that_is_no_file_is_no_part_of_a_bundle(
    project: Path, tmp_path: Path, put: Callable[[Path], None]
) -> None:
    house = write_wheelhouse(tmp_path / "house")
    put(next((house / "wheels").glob("*.whl")))
    done = _run(project, "bundle", "--wheelhouse", house, "--serial", "7", "--out", tmp_path / "b.tar")
    assert done.returncode == 5, done.stderr
    assert "is not the file that manifest.json names" in done.stderr


def test_a_recipe_that_is_no_file_is_a_problem_of_the_report(
    project: Path, put: Callable[[Path], None]
) -> None:
    put(project / "recipes/uv.toml")
    done = _run(project, "recipes")
    assert done.returncode == 2, done.stderr
    assert "recipes/uv.toml: cannot be read: it is no regular file" in done.stderr
    assert "Next: open to this user, or move away, what cannot be read, then: invoke recipes" in done.stderr


def test_a_key_file_without_end_is_read_no_further_than_a_key_file_goes(
    project: Path, tmp_path: Path
) -> None:
    house = write_wheelhouse(tmp_path / "house")
    assert (
        _run(
            project, "bundle", "--wheelhouse", house, "--serial", "7", "--out", tmp_path / "b.tar"
        ).returncode
        == 0
    )
    (tmp_path / "key.pub").symlink_to("/dev/zero")
    done = _run(project, "bundle", "--verify", tmp_path / "b.tar", "--trusted-key", tmp_path / "key.pub")
    assert done.returncode in {2, 5}, done.stderr
    assert "Traceback" not in done.stderr


def test_a_document_that_is_too_long_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "long.json"
    with path.open("wb") as stream:
        stream.truncate(documents.LONGEST + 1)
    with pytest.raises(OSError, match="more than"):
        documents.read_file(path, {})
    with pytest.raises(IsADirectoryError):
        documents.bytes_of(tmp_path)
