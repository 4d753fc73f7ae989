"""What an NPU project file asks for at run time, before anything is built.

SGLang's NPU dependency list stands in a project file of its own (`pyproject_npu.toml`, earlier
`pyproject_other.toml`). Where the sdist holds none, the recipe carries the list as data (`project.editions`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from ascend_wheelhouse import project_file
from ascend_wheelhouse.errors import ResolveError
from ascend_wheelhouse.recipe import ProjectBuild, Recipe


class NoProjectFileError(ResolveError):
    """Neither the sdist nor the recipe says what this release needs on an NPU."""


def edition_for(project: ProjectBuild, version: str) -> tuple[list[str], dict[str, list[str]]] | None:
    """Return base dependencies and extras that the recipe holds for a release, or None."""
    for edition in project.editions:
        if SpecifierSet(edition.versions).contains(version, prereleases=True):
            return edition.dependencies, edition.extras
    return None


def runtime_requirements(recipe: Recipe, version: str, sdist: Path | None) -> list[str]:
    """Return every requirement of the recipe's extra, sorted, references to the project itself expanded.

    Args:
        recipe: A recipe with a `[project]` table.
        version: The release.
        sdist: Its source archive; only read when the recipe has no edition for the release.

    Raises:
        NoProjectFileError: Neither holds a dependency list.
    """
    project = recipe.project
    if project is None:
        return []
    known = edition_for(project, version) or (_from_sdist(project, sdist) if sdist else None)
    if known is None:
        raise NoProjectFileError(
            f"{recipe.name} {version}: no NPU project file is known.",
            why=f"Its sdist holds none of {', '.join(project.project_files)}, and the recipe has no edition for it.",
            next_step=f"add [[project.editions]] for {version} to recipes/{recipe.name}.toml",
        )
    dependencies, extras = known
    return sorted(set(_expand(recipe.distribution, [*dependencies, *extras.get(project.extra, [])], extras)))


def _expand(name: str, lines: Sequence[str], extras: Mapping[str, list[str]]) -> list[str]:
    """Return the lines with references to the project's own extras replaced by what those hold, each once."""
    expanded: list[str] = []
    waiting, seen = list(lines), set[str]()
    while waiting:
        requirement = Requirement(line := waiting.pop(0))
        if canonicalize_name(requirement.name) == canonicalize_name(name):
            fresh = sorted(requirement.extras - seen)
            seen |= requirement.extras
            waiting += [each for extra in fresh for each in extras.get(extra, [])]
        else:
            expanded.append(line)
    return expanded


def _from_sdist(project: ProjectBuild, sdist: Path) -> tuple[list[str], dict[str, list[str]]] | None:
    label = f"the sdist {sdist.name[:19]}"
    for wanted in project.project_files:
        places = {PurePosixPath(project.subdirectory) / wanted, PurePosixPath(wanted)}
        if (data := project_file.member(sdist, places.__contains__, label)) is not None:
            table = project_file.parse(data, label).get("project", {})
            return table.get("dependencies", []), table.get("optional-dependencies", {})
    return None
