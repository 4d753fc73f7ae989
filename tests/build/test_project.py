"""Wheels from sdists: small ones with a backend of a few lines, and SGLang's own."""

import io
import os
import sys
import tarfile
import tomllib
from pathlib import Path

import pytest

from ascend_wheelhouse.build.project import (
    BadSourceError,
    ProjectFileMissingError,
    ProjectSource,
    WrongWheelError,
    build_project,
    put_project_file,
    unpacked,
)
from ascend_wheelhouse.build.projects import rules_for
from ascend_wheelhouse.build.worker import WorkerFailedError, build_beside
from ascend_wheelhouse.cells.recipe import ProjectBuild, ProjectEdition
from ascend_wheelhouse.wheels.wheel import WheelFile

PUBLISHED = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "server"
version = "1.0"
dependencies = ["cuda-python"]
[project.optional-dependencies]
cuda = ["flash"]
[project.scripts]
serve = "server:main"
"""
BACKEND = """
import os, time, tomllib, zipfile
from pathlib import Path
def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    version = project.get("version") or os.environ["SETUPTOOLS_SCM_PRETEND_VERSION"]
    info = f"server-{version}.dist-info"
    needs = "".join(f"Requires-Dist: {need}\\n" for need in project["dependencies"])
    head = f"Metadata-Version: 2.1\\nName: server\\nVersion: {version}\\n"
    name = f"server-{version}-py3-none-any.whl"
    with zipfile.ZipFile(Path(wheel_directory) / name, "w") as archive:
        for member in os.listdir("server"):
            archive.write(f"server/{member}")
        archive.writestr(f"{info}/METADATA", head + needs)
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\\nTag: py3-none-any\\n")
        archive.writestr(f"{info}/RECORD", str(time.time_ns()))
    return name
"""
TABLE = ProjectBuild(
    local_version="npu",
    subdirectory="python",
    project_files=["pyproject_npu.toml", "pyproject_other.toml"],
    requires=[],
    extra="npu",
    editions=[ProjectEdition(versions="<2", dependencies=["torch"], extras={"npu": ["server[all]"]})],
)
RULES = rules_for(TABLE, "1.0")
PYTHON = Path(sys.executable)
EPOCH = 1_700_000_000


def sdist(folder: Path, files: dict[str, str], *, version: str = "1.0") -> Path:
    """Write an sdist with those files."""
    path = folder / f"server-{version}.tar.gz"
    every = {"backend.py": BACKEND, "server/__init__.py": "", "server/a.py": "a = 1\n"} | files
    with tarfile.open(path, "w:gz") as archive:
        for age, (name, text) in enumerate(sorted(every.items())):
            member = tarfile.TarInfo(f"server-{version}/{name}")
            member.size, member.mtime = len(text.encode()), EPOCH - age
            archive.addfile(member, io.BytesIO(text.encode()))
    return path


def source(path: Path, version: str = "1.0") -> ProjectSource:
    return ProjectSource(name="server", version=version, sdist=path, requirements=[])


def requirements_of(wheel: Path) -> list[str]:
    with WheelFile.open(wheel) as opened:
        return [str(need) for need in opened.metadata.requires_dist or []]


def test_the_dependency_list_of_the_recipe_replaces_the_published_one(tmp_path: Path) -> None:
    path = sdist(tmp_path, {"pyproject.toml": PUBLISHED})
    with unpacked(path) as (top, epoch):
        folder = put_project_file(top, RULES, source(path))
        project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    assert epoch == EPOCH
    assert project == {
        "name": "server",
        "version": "1.0",
        "dependencies": ["torch"],
        "optional-dependencies": {"npu": ["server[all]"]},
        "scripts": {"serve": "server:main"},
    }


def test_the_best_project_file_of_the_source_takes_the_place(tmp_path: Path) -> None:
    """Its version comes from version control, so the build is told."""
    npu = PUBLISHED.replace("cuda-python", "torch-npu").replace('version = "1.0"', 'dynamic = ["version"]')
    files = {
        "pyproject.toml": PUBLISHED,
        "pyproject_npu.toml": npu,
        "pyproject_other.toml": PUBLISHED.replace("cuda-python", "rocm"),
    }
    wheel = build_project(
        rules_for(TABLE, "2.0"),
        source(sdist(tmp_path, files, version="2.0"), "2.0"),
        out=tmp_path,
        python=PYTHON,
    )
    assert wheel.name == "server-2.0+npu-py3-none-any.whl"
    assert requirements_of(wheel) == ["torch-npu"]


def test_the_project_may_lie_in_a_subdirectory(tmp_path: Path) -> None:
    path = sdist(tmp_path, {"pyproject.toml": "", "python/pyproject.toml": PUBLISHED})
    with unpacked(path) as (top, _epoch):
        assert put_project_file(top, RULES, source(path)) == top / "python"


def test_two_builds_are_equal_byte_for_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built = []
    path = sdist(tmp_path, {"pyproject.toml": PUBLISHED})
    for umask, zone, locale, place in (
        (0o022, "UTC", "C", "one"),
        (0o077, "Asia/Shanghai", "POSIX", "other/place"),
    ):
        out = tmp_path / place
        out.mkdir(parents=True)
        monkeypatch.setenv("TZ", zone)
        monkeypatch.setenv("LC_ALL", locale)
        before = os.umask(umask)
        try:
            built.append(build_project(RULES, source(path), out=out, python=PYTHON))
        finally:
            os.umask(before)
    assert built[0].read_bytes() == built[1].read_bytes()
    assert [wheel.stat().st_mode & 0o777 for wheel in built] == [0o644, 0o644]


def test_a_release_without_any_npu_project_file_is_refused(tmp_path: Path) -> None:
    path = sdist(tmp_path, {"pyproject.toml": PUBLISHED}, version="3.0")
    with pytest.raises(ProjectFileMissingError, match=r"^server 3\.0: no NPU project file is known"):
        build_project(rules_for(TABLE, "3.0"), source(path, "3.0"), out=tmp_path, python=PYTHON)


def test_a_wheel_of_another_release_is_refused(tmp_path: Path) -> None:
    path = sdist(tmp_path, {"pyproject.toml": PUBLISHED.replace('"1.0"', '"1.1"')})
    with pytest.raises(WrongWheelError, match=r"^The build gave server-1\.1-py3-none-any\.whl, not"):
        build_project(RULES, source(path), out=tmp_path, python=PYTHON)


@pytest.mark.parametrize("content", [b"<html>", b""])
def test_a_file_that_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "server-1.0.tar.gz"
    path.write_bytes(content)
    with pytest.raises(BadSourceError, match=r"^server-1\.0\.tar\.gz is no source distribution"):
        build_project(RULES, source(path), out=tmp_path, python=PYTHON)


def test_an_archive_that_reaches_outside_is_refused(tmp_path: Path) -> None:
    path = sdist(tmp_path, {"../../outside": "x", "pyproject.toml": PUBLISHED})
    with pytest.raises(BadSourceError, match="outside"):
        build_project(RULES, source(path), out=tmp_path, python=PYTHON)


def test_an_archive_without_a_project_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadSourceError, match=r"there is no pyproject\.toml"):
        build_project(RULES, source(sdist(tmp_path, {})), out=tmp_path, python=PYTHON)


def test_another_process_builds_the_same_bytes_and_keeps_the_umask_out_of_them(tmp_path: Path) -> None:
    path = sdist(tmp_path, {"pyproject.toml": PUBLISHED})
    for name in ("here", "beside"):
        (tmp_path / name).mkdir()
    here = build_project(RULES, source(path), out=tmp_path / "here", python=PYTHON)
    beside = build_beside(RULES, source(path), out=tmp_path / "beside", python=PYTHON)
    assert beside.parent == tmp_path / "beside"
    assert beside.read_bytes() == here.read_bytes()


def test_an_error_of_the_other_process_is_the_same_error(tmp_path: Path) -> None:
    path = sdist(tmp_path, {"pyproject.toml": PUBLISHED}, version="3.0")
    with pytest.raises(
        ProjectFileMissingError, match=r"^server 3\.0: no NPU project file is known"
    ) as caught:
        build_beside(rules_for(TABLE, "3.0"), source(path, "3.0"), out=tmp_path, python=PYTHON)
    assert caught.value.why.startswith("server-3.0.tar.gz holds none of")
    assert "project.editions" in caught.value.next_step


def test_a_process_that_dies_is_told(tmp_path: Path) -> None:
    path = sdist(tmp_path, {"pyproject.toml": PUBLISHED})
    with pytest.raises(WorkerFailedError, match=r"^The process that built server ended with status"):
        build_beside(RULES, source(path), out=tmp_path / "absent" / "folder", python=PYTHON)
