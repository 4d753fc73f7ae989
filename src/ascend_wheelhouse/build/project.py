"""A wheel of a Python project from its sdist, with another project file in place of the published one.

SGLang's sdist is the CUDA project: its NPU dependency list stands in a second project file, or, where the
sdist lacks it, in the recipe as data. The wheel gets a local version, so that it is never mistaken for the
index's, and is brought into its normal form: the same sdist, recipe and build environment give the same bytes
anywhere.
"""

from __future__ import annotations

import shutil
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import tomli_w
from packaging.utils import canonicalize_name
from packaging.version import Version

from ascend_wheelhouse import toml_text
from ascend_wheelhouse.archives import telling
from ascend_wheelhouse.build.frontend import build_wheel
from ascend_wheelhouse.build.normalise import normalise_wheel
from ascend_wheelhouse.errors import BuildError
from ascend_wheelhouse.node import documents
from ascend_wheelhouse.scratch import scratch
from ascend_wheelhouse.unpack import extract
from ascend_wheelhouse.wheel import WheelFile


class BadSourceError(BuildError):
    """A source archive cannot be unpacked, or does not hold one Python project."""


class ProjectFileMissingError(BuildError):
    """Neither the source nor the recipe holds an NPU project file for this release."""


class WrongWheelError(BuildError):
    """The build gave a wheel of another name or version."""


@dataclass(frozen=True, kw_only=True)
class ProjectRules:
    """How one release's project becomes the NPU's: a recipe's `[project]` table, decided for the release.

    Args:
        local_version: Local version label that the built wheel carries.
        subdirectory: Folder of the source tree that holds the project; empty for its top.
        project_files: Project files to put in place of `pyproject.toml`, best first.
        edition: Dependencies and extras where the recipe holds them, else None.
    """

    local_version: str
    subdirectory: str
    project_files: Sequence[str]
    edition: tuple[list[str], dict[str, list[str]]] | None = None


@dataclass(frozen=True, kw_only=True)
class ProjectSource:
    """What a project's wheel is built from.

    Args:
        name: The distribution's name.
        version: The release, without a local part.
        sdist: The source archive.
        requirements: Wheel files of the build environment.
    """

    name: str
    version: str
    sdist: Path
    requirements: Sequence[Path]


def build_project(rules: ProjectRules, source: ProjectSource, *, out: Path, python: Path) -> Path:
    """Build, rename and normalise the wheel, and return its path in `out`.

    Args:
        rules: How the project becomes the NPU's.
        source: What to build.
        out: An existing folder.
        python: The interpreter that the build environment is made from.

    Raises:
        BadSourceError: The sdist cannot be read.
        ProjectFileMissingError: No NPU project file is known.
        WrongWheelError: The result is not the wheel that was asked for.
        BuildError: The build failed.
    """
    with unpacked(source.sdist) as (top, epoch), tempfile.TemporaryDirectory(dir=out) as made:
        folder = put_project_file(top, rules, source)
        wheel = build_wheel(
            folder,
            requirements=source.requirements,
            out=Path(made),
            env={"SOURCE_DATE_EPOCH": str(epoch), "SETUPTOOLS_SCM_PRETEND_VERSION": source.version},
            python=python,
        )
        _refuse_other(wheel, source)
        return normalise_wheel(wheel, out, local_version=rules.local_version, epoch=epoch)


@contextmanager
def unpacked(sdist: Path) -> Iterator[tuple[Path, int]]:
    """Unpack an sdist for the time of the block: its top folder, and the time of its newest member (seconds).

    Raises:
        BadSourceError: It is no archive, is damaged, or does not hold exactly one folder.
    """
    with scratch() as room:
        with telling(lambda fault: _bad_source(sdist, fault)), tarfile.open(sdist) as archive:
            epoch = extract(archive, room, packed=sdist.stat().st_size)
        tops = list(room.iterdir())
        if len(tops) != 1 or not tops[0].is_dir() or tops[0].is_symlink():
            raise _bad_source(sdist, f"it holds {len(tops)} entries at its top, not one folder")
        yield tops[0], epoch


def put_project_file(top: Path, rules: ProjectRules, source: ProjectSource) -> Path:
    """Put the NPU project file in place of `pyproject.toml` and return the project's folder.

    Raises:
        BadSourceError: There is no project.
        ProjectFileMissingError: No NPU project file is known.
    """
    folder = top / rules.subdirectory
    if not (folder / "pyproject.toml").is_file():
        folder = top
    published = folder / "pyproject.toml"
    if not published.is_file():
        raise _bad_source(source.sdist, "there is no pyproject.toml")
    own = next((folder / name for name in rules.project_files if (folder / name).is_file()), None)
    if rules.edition:
        published.write_text(_with_dependencies(source.sdist, published, *rules.edition), encoding="utf-8")
    elif own:
        shutil.copyfile(own, published)
    else:
        raise ProjectFileMissingError(
            f"{source.name} {source.version}: no NPU project file is known.",
            why=f"{source.sdist.name} holds none of {', '.join(rules.project_files)}.",
            next_step=f"add [[project.editions]] for {source.version} to the recipe",
        )
    return folder


def _with_dependencies(
    sdist: Path, published: Path, dependencies: list[str], extras: dict[str, list[str]]
) -> str:
    try:
        data = toml_text.read(published, {"project": {}})
    except (toml_text.NotTomlError, documents.UnsoundError) as error:
        raise _bad_source(sdist, f"{published.name}: {error}") from error
    data["project"] |= {"dependencies": dependencies, "optional-dependencies": extras}
    return tomli_w.dumps(data)


def _refuse_other(path: Path, source: ProjectSource) -> None:
    with WheelFile.open(path) as wheel:
        same = wheel.name == canonicalize_name(source.name) and wheel.version == Version(source.version)
    if not same:
        raise WrongWheelError(
            f"The build gave {path.name}, not a wheel of {source.name} {source.version}.",
            why="The project file in place names another project or release.",
            next_step="compare the recipe's version with the source's project file",
        )


def _bad_source(sdist: Path, fault: str) -> BadSourceError:
    return BadSourceError(
        f"{sdist.name} is no source distribution: {fault}.",
        why="The archive is damaged, or of another kind.",
        next_step="fetch it again, or correct the recipe's origin",
    )
