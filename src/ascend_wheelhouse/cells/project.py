"""Another project file in place of the published one, and what it asks for at run time.

SGLang's NPU dependency list stands in a project file of its own (`pyproject_npu.toml`, earlier
`pyproject_other.toml`). Where the source holds none, or is not there yet, the recipe carries the list as data
(`editions`). The lock is resolved from the same list that the wheel then declares.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Annotated

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from pydantic import Field

from ascend_wheelhouse.base import pyproject
from ascend_wheelhouse.base.errors import ResolveError, UsageError
from ascend_wheelhouse.base.toml_file import FileModel, Listed
from ascend_wheelhouse.cells.condition import When
from ascend_wheelhouse.cells.file_values import Distribution, Inside, RequirementText, Text, VersionRange


class NoProjectFileError(ResolveError):
    """Neither the source nor the recipe says what this release needs on an NPU."""


class UnknownExtraError(UsageError):
    """`--extra` names neither an optional component nor an extra of the application."""


class ProjectEdition(FileModel):
    """The dependency list of releases whose source lacks the NPU project file, or cannot be had everywhere.

    Args:
        versions: The releases.
        source: The public file that shows the list, and how it is known to be that of these releases.
        dependencies: What they need always.
        extras: What their extras need.
    """

    versions: VersionRange
    source: Text
    dependencies: list[RequirementText]
    extras: dict[Distribution, list[RequirementText]] = {}


class LeftOut(FileModel):
    """A package that a project file asks for and that is left out of the lock, under a condition, and why."""

    name: Distribution
    when: When = {}
    why: Text


class ProjectFile(FileModel):
    """Which project file is put in place of `pyproject.toml` before the build backend runs.

    Args:
        files: Project files beside the published one, best first.
        extra: The extra whose dependencies the runtime needs.
        editions: Dependency lists as data, for releases whose source holds none of `files`.
        without: What is left out although the list names it: it has no wheel, and serving does without.
    """

    files: Annotated[Listed[Inside], Field(min_length=1)]
    extra: Distribution = ""
    editions: Listed[ProjectEdition] = ()
    without: Listed[LeftOut] = ()

    def for_release(self, version: str) -> ProjectFile:
        """Return the same with the edition of a release alone, so that another release's changes nothing."""
        holding = (
            one for one in self.editions if SpecifierSet(one.versions).contains(version, prereleases=True)
        )
        return self.model_copy(update={"editions": tuple(holding)[:1]})

    def edition(self, version: str) -> ProjectEdition | None:
        """Return the edition of a release, if there is one."""
        return next(iter(self.for_release(version).editions), None)


def runtime_requirements(
    table: ProjectFile,
    distribution: str,
    version: str,
    held: Mapping[str, bytes],
    *,
    extras: Collection[str] = (),
) -> list[str]:
    """Return every requirement of the table's extra and of others, sorted, references to the project itself expanded.

    Args:
        table: The recipe's `[build.project_file]`.
        distribution: The project's own name.
        version: The release.
        held: Bytes of each project file that the source holds, by name; none where there is no source yet.
        extras: Further extras that are asked for.

    Raises:
        NoProjectFileError: Neither holds a dependency list.
        UnknownExtraError: The release has no such extra.
        BadProjectFileError: The source's own is none.
    """
    known = _from_source(table, held, f"{distribution} {version}") or _from_edition(table, version)
    if known is None:
        raise NoProjectFileError(
            f"{distribution} {version}: no NPU project file is known.",
            why=f"Its source holds none of {', '.join(table.files)}, and the recipe has no edition for it.",
            next_step=f"add [[build.project_file.editions]] for {version} to the recipe of {distribution}",
        )
    dependencies, known_extras = known
    if unknown := sorted(set(extras) - known_extras.keys()):
        raise UnknownExtraError(
            f"{distribution} {version} has no extra {', '.join(map(repr, unknown))}.",
            why=f"Its project file has {', '.join(sorted(known_extras)) or 'none'}.",
            next_step="--extra with one of these, or with an optional component of the stack: `invoke stacks`",
        )
    wanted = [*dependencies, *known_extras.get(table.extra, [])]
    wanted += [line for extra in sorted(extras) for line in known_extras[extra]]
    return sorted(set(_expand(distribution, wanted, known_extras)))


_Lists = tuple[Sequence[str], Mapping[str, Sequence[str]]]


def _from_edition(table: ProjectFile, version: str) -> _Lists | None:
    edition = table.edition(version)
    return (edition.dependencies, edition.extras) if edition else None


def _from_source(table: ProjectFile, held: Mapping[str, bytes], label: str) -> _Lists | None:
    text = next((held[name] for name in table.files if name in held), None)
    if text is None:
        return None
    project = pyproject.parse(text, label).get("project", {})
    return project.get("dependencies", []), project.get("optional-dependencies", {})


def _expand(name: str, lines: Sequence[str], extras: Mapping[str, Sequence[str]]) -> list[str]:
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
