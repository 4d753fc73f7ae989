"""Another project file in place of the published one: a step of laying out a source.

SGLang's sdist is the CUDA project: its NPU dependency list stands in a second project file, or, where the source
lacks it, in the recipe as data.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import tomli_w

from ascend_wheelhouse.base import pyproject
from ascend_wheelhouse.base.errors import BuildError
from ascend_wheelhouse.cells.project import ProjectEdition, ProjectFile

PUBLISHED = "pyproject.toml"


class NoProjectError(BuildError):
    """A source does not hold the Python project that its recipe speaks of."""


class ProjectFileMissingError(BuildError):
    """Neither the source nor the recipe holds an NPU project file for this release."""


def project_folder(source: Path, subdirectory: str) -> str:
    """Return where the project lies in a laid-out source: an sdist may hold the subdirectory alone, at its top."""
    there = any((source / subdirectory / name).is_file() for name in (PUBLISHED, "setup.py"))
    return subdirectory if there else "."


def put_project_file(folder: Path, table: ProjectFile, *, name: str, version: str) -> None:
    """Put the best project file of the source, else the recipe's dependency list, in place of `pyproject.toml`.

    Args:
        folder: The project's folder.
        table: The recipe's `[build.project_file]`.
        name: The component, for the error.
        version: Its release.

    Raises:
        NoProjectError: There is no `pyproject.toml`.
        ProjectFileMissingError: No NPU project file is known.
        BadProjectFileError: The published one is none.
    """
    published = folder / PUBLISHED
    if not published.is_file():
        raise NoProjectError(
            f"The source of {name} {version} is no Python project: there is no {PUBLISHED}.",
            why="The archive is of another kind, or the project lies elsewhere in it.",
            next_step=f"correct the origin, or `subdirectory` in the [build] table of recipes/{name}.toml",
        )
    own = next((folder / file for file in table.files if (folder / file).is_file()), None)
    if own:
        if not own.samefile(published):  # the one may be a link to the other
            shutil.copyfile(own, published)
    elif edition := table.edition(version):
        published.write_text(_with_dependencies(published, edition, f"{name} {version}"), encoding="utf-8")
    else:
        raise ProjectFileMissingError(
            f"{name} {version}: no NPU project file is known.",
            why=f"Its source holds none of {', '.join(table.files)}.",
            next_step=f"add [[build.project_file.editions]] for {version} to recipes/{name}.toml",
        )


def _with_dependencies(published: Path, edition: ProjectEdition, label: str) -> str:
    data = pyproject.parse(published.read_bytes(), label)
    lists = {"dependencies": edition.dependencies, "optional-dependencies": edition.extras}
    project = data.get("project", {}) | lists
    if dynamic := project.get("dynamic"):
        project["dynamic"] = [name for name in dynamic if name not in lists]
    data["project"] = project
    return tomli_w.dumps(data)
