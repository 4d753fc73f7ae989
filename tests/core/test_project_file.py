"""Project files of strangers, read out of their source archives."""

import io
import tarfile
from pathlib import Path

import pytest

from ascend_wheelhouse import project_file
from ascend_wheelhouse.project import runtime_requirements
from ascend_wheelhouse.recipe import Recipe

RECIPE = Recipe.model_validate(
    {
        "name": "sglang",
        "summary": "small",
        "distribution": "sglang",
        "origins": [{"kind": "sdist"}],
        "project": {
            "local_version": "npu",
            "project_files": ["pyproject_npu.toml"],
            "requires": ["tinybuild==1.0"],
            "extra": "srt",
        },
    }
)


def sdist(folder: Path, text: bytes) -> Path:
    path = folder / "sglang-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        member = tarfile.TarInfo("sglang-1.0/pyproject_npu.toml")
        member.size = len(text)
        archive.addfile(member, io.BytesIO(text))
    return path


def test_extras_that_name_each_other_are_each_taken_once(tmp_path: Path) -> None:
    text = b"""[project]
dependencies = ["a"]
[project.optional-dependencies]
srt = ["sglang[b]", "c"]
b = ["sglang[srt]", "d"]
"""
    assert runtime_requirements(RECIPE, "1.0", sdist(tmp_path, text)) == ["a", "c", "d"]


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
    with pytest.raises(project_file.BadProjectFileError) as caught:
        runtime_requirements(RECIPE, "1.0", sdist(tmp_path, text))
    assert caught.value.exit_code == 5
    assert caught.value.next_step


def test_a_source_archive_that_is_cut_short_is_exit_5(tmp_path: Path) -> None:
    path = sdist(tmp_path, b"[project]\ndependencies = ['a']\n" * 99)
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(project_file.BadProjectFileError) as caught:
        runtime_requirements(RECIPE, "1.0", path)
    assert caught.value.exit_code == 5
