"""Small sdists with a build backend of a few lines, and their builds: nothing of an index is needed."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from making_builds import Bench, cell

from ascend_wheelhouse.build.command import build_component
from ascend_wheelhouse.build.job import Archive, Sources
from ascend_wheelhouse.build.outcome import BuiltWheel, PendingBuild
from ascend_wheelhouse.cells.cell import Cell
from ascend_wheelhouse.cells.recipe import Recipe
from ascend_wheelhouse.cells.target import Machine, Target
from ascend_wheelhouse.wheels.wheel import WheelFile

EPOCH = 1_700_000_000
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
import json, os, stat, sys, time, tomllib, zipfile
from pathlib import Path
def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    version = project.get("version") or os.environ["SETUPTOOLS_SCM_PRETEND_VERSION"]
    info = f"server-{version}.dist-info"
    needs = "".join(f"Requires-Dist: {need}\\n" for need in project["dependencies"])
    head = f"Metadata-Version: 2.1\\nName: server\\nVersion: {version}\\n"
    name = f"server-{version}-py3-none-any.whl"
    Path("probe").touch()
    seen = dict(os.environ, path=sys.path, mode=oct(stat.S_IMODE(os.stat("probe").st_mode)), prefix=sys.prefix)
    with zipfile.ZipFile(Path(wheel_directory) / name, "w") as archive:
        for member in sorted(os.listdir("server")):
            archive.write(f"server/{member}")
        if os.environ.get("TELL"):
            archive.writestr("server/seen.json", json.dumps(seen))
        archive.writestr(f"{info}/METADATA", head + needs)
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\\nTag: py3-none-any\\n")
        archive.writestr(f"{info}/RECORD", str(time.time_ns()))
    return name
"""
EDITION = {
    "versions": "<2",
    "source": "a test",
    "dependencies": ["torch"],
    "extras": {"npu": ["server[all]"]},
}
TABLE: dict[str, Any] = {
    "backend": "pep517",
    "pure": True,
    "subdirectory": "python",
    "distributions": ["server"],
    "local_version": "npu",
    "env": {"SETUPTOOLS_SCM_PRETEND_VERSION": "{server}"},
    "project_file": {
        "files": ["pyproject_npu.toml", "pyproject_other.toml"],
        "extra": "npu",
        "editions": [EDITION],
    },
}


def recipe(**changes: Any) -> Recipe:  # noqa: ANN401 - whatever a build table may hold
    """Return the recipe of the small server, keys of its build table replaced."""
    table = {"name": "server", "summary": "A test.", "licence": "MIT", "distribution": "server"}
    return Recipe.model_validate({**table, "origins": [{"kind": "sdist"}], "build": TABLE | changes})


def where(version: str = "1.0", machine: Machine | None = None) -> Cell:
    """Return a cell that holds the server, for this machine or another."""
    found = cell({"torch": "2.8.0", "server": version})
    return replace(found, target=Target(machine=machine)) if machine else found


def sdist(folder: Path, files: Mapping[str, str], *, version: str = "1.0") -> Path:
    """Write an sdist with those files beside the backend and the package."""
    path = folder / f"server-{version}.tar.gz"
    every = {"backend.py": BACKEND, "server/__init__.py": "", "server/a.py": "a = 1\n"} | dict(files)
    with tarfile.open(path, "w:gz") as archive:
        for age, (name, text) in enumerate(sorted(every.items())):
            member = tarfile.TarInfo(f"server-{version}/{name}")
            member.size, member.mtime = len(text.encode()), EPOCH - age
            archive.addfile(member, io.BytesIO(text.encode()))
    return path


def sources(bench: Bench, archive: Path, environment: Sequence[Path] = ()) -> Sources:
    """Return what a build of an archive starts from, all of it in the store."""
    files = (bench.store.artifact(one.name, bench.store.add(one)) for one in environment)
    tree = Archive(filename=archive.name, sha256=bench.store.add(archive), epoch=EPOCH)
    return Sources(tree=tree, environment=tuple(files))


def built(
    bench: Bench,
    archive: Path,
    *,
    version: str = "1.0",
    environment: Sequence[Path] = (),
    machine: Machine | None = None,
    **changes: Any,  # noqa: ANN401 - whatever a build table may hold
) -> BuiltWheel:
    """Build an archive as the small server."""
    done = outcome(bench, recipe(**changes), sources(bench, archive, environment), where(version, machine))
    assert isinstance(done, BuiltWheel), done
    return done


def outcome(bench: Bench, of: Recipe, starts: Sources, place: Cell) -> BuiltWheel | PendingBuild:
    """Return the one wheel of a build, or why it is pending."""
    done = build_component(of, place, starts, bench.workshop)
    return done if isinstance(done, PendingBuild) else done[0]


@contextmanager
def opened(bench: Bench, wheel: BuiltWheel, folder: Path) -> Iterator[WheelFile]:
    """Open a built wheel under its own name."""
    path = folder / wheel.filename
    path.symlink_to(bench.store.path(wheel.sha256))
    with WheelFile.open(path) as archive:
        yield archive
