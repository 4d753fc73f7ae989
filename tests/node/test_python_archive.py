from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from ascend_wheelhouse.node.install.python_archive import BadPythonArchiveError, unpack


def archive(folder: Path, member: str) -> Path:
    path = folder / "cpython-3.11.9-install_only.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        info = tarfile.TarInfo(member)
        info.size, info.mode = 2, 0o755
        tar.addfile(info, io.BytesIO(b"#!"))
    return path


def test_a_python_archive_is_unpacked_once(tmp_path: Path) -> None:
    path = archive(tmp_path, "python/bin/python3")
    first = unpack(path, "d" * 64, tmp_path / "npu", wanted="3.12")
    assert Path(first).is_relative_to(tmp_path / "npu/python")
    made = Path(first).stat().st_ino
    assert unpack(path, "d" * 64, tmp_path / "npu", wanted="3.12") == first
    assert Path(first).stat().st_ino == made


@pytest.mark.parametrize("damage", [lambda file: file.unlink(), lambda file: file.write_text("no")])
def test_a_python_that_is_no_longer_whole_is_unpacked_again(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    path = archive(tmp_path, "python/bin/python3")
    first = Path(unpack(path, "d" * 64, tmp_path / "npu", wanted="3.12"))
    damage(first)
    assert Path(unpack(path, "d" * 64, tmp_path / "npu", wanted="3.12")).read_text() == "#!"


def test_an_archive_without_a_python_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadPythonArchiveError, match=r"holds no bin/python3"):
        unpack(archive(tmp_path, "ruby/bin/ruby"), "d" * 64, tmp_path / "npu", wanted="3.12")
