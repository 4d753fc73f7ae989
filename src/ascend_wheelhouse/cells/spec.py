"""The `[build]` table of a recipe: how one component is made from its source, as data.

A table holds argument lists with `{placeholders}`, and *variants*: blocks whose `when` names a machine, a
chip, or ranges of torch, CANN and Python, and that add variables, values, requirements and bounds where
they hold. `resolve` turns a table and the facts of a cell into one `BuildSpec` with nothing left to decide;
that is what is hashed and run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Annotated, Literal, Protocol, Self, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, ValidationInfo, model_validator

from ascend_wheelhouse.base.toml_fault import Fault, raise_for
from ascend_wheelhouse.base.toml_file import FileModel, Known, Listed
from ascend_wheelhouse.cells.cell import Cell
from ascend_wheelhouse.cells.condition import When
from ascend_wheelhouse.cells.file_values import (
    CELL_FIELDS,
    Distribution,
    Expression,
    Inside,
    Library,
    LocalTemplate,
    Placeholder,
    RequirementTemplate,
    Sha256,
    Text,
    Url,
    Variable,
    VersionRange,
    VersionTemplate,
    check_pin,
)
from ascend_wheelhouse.cells.placeholders import LATE_PLACEHOLDERS, expand, fill, placeholders
from ascend_wheelhouse.cells.project import ProjectFile

ToolName = Literal["gcc", "binutils", "cmake", "ninja", "make", "glibc", "cann"]
_Name = TypeVar("_Name", bound=str)


def _of_a_script(steps: tuple[tuple[str, ...], ...], info: ValidationInfo) -> tuple[tuple[str, ...], ...]:
    """Hold the steps to the backend: a script needs some, a project's own backend takes none."""
    match info.data.get("backend"):
        case "script" if not steps:
            raise ValueError('is empty, needs at least one command (or backend = "pep517")')
        case "pep517" if steps:
            raise ValueError('must be left out: backend = "pep517" runs no commands')
    return steps


def _of_a_pure(requirements: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
    """Hold a pure build to exact pins: the lock keeps the digest of its wheel, which follows from them."""
    faults = []
    for place, requirement in enumerate(requirements if info.data.get("pure") else ()):
        try:
            check_pin(requirement)
        except ValueError as error:
            faults.append(Fault((place,), str(error)))
    raise_for(faults)
    return requirements


class Edit(FileModel):
    """A strict text replacement in one source file, for what a patch cannot know the context of.

    Args:
        path: The file, relative to the source.
        find: A regular expression.
        replace: Its replacement, with `{placeholders}`.
        required: Refuse to build when nothing matches.
    """

    path: Inside
    find: Expression
    replace: str
    required: bool = True
    when: When = {}


class DeclaredDownload(FileModel):
    """A file that the build itself would download: vendored by hash and served by URL in the sandbox."""

    url: Url
    sha256: Sha256
    when: When = {}

    @property
    def filename(self) -> str:
        """The last step of the URL's path; the digest where it has none."""
        name = PurePosixPath(urlsplit(self.url).path).name
        return self.sha256 if name in {"", ".."} else name


class Repository(FileModel):
    """A git repository that the build itself would clone, laid at `path` with `.git` and the ref's name."""

    path: Inside
    url: Url
    ref: Text
    when: When = {}


class Repair(FileModel):
    """How the built wheel is repaired.

    Args:
        platform: The platform tag to reach; the target's floor by default.
        linux_tag: Why this component may keep its `linux_<arch>` tag; empty when it may not.
        needs: Libraries of other wheels (torch's), left outside beside the recipe's host libraries.
        carries_paths: Patterns of members that may carry a path of the builder.
    """

    platform: Text = "{manylinux}"
    linux_tag: str = ""
    needs: Listed[Library] = ()
    carries_paths: Listed[Inside] = ()


class Variant(FileModel):
    """What holds under a condition; a later variant overrides an earlier one."""

    when: When
    values: dict[Placeholder, str] = {}
    env: dict[Variable, str] = {}
    requirements: Listed[RequirementTemplate] = ()
    toolchain: dict[ToolName, VersionRange] = {}
    container: str = ""
    wheel_version: VersionTemplate = ""


class BuildTable(FileModel):
    """The `[build]` table as it stands in a recipe.

    Args:
        backend: `script` runs `steps`; `pep517` runs the project's own build backend.
        pure: The wheel holds no compiled code: any machine builds it, for every other, with no toolchain; it is built
            without being asked for, and where no sandbox works it is built all the same.
        steps: Commands, each an argument list, run in order in the source folder.
        subdirectory: Where the project lies in its source; an sdist may hold that folder alone.
        project_file: Another project file in place of `pyproject.toml`.
        env: Variables of the steps; an empty value in a variant takes one away.
        requirements: What the build environment holds; `build-system.requires` is added for `pep517`. Exact pins where
            the wheel is pure, whose digest the lock keeps.
        own_requirements: Whether `build-system.requires` is added.
        clean: Folders that must not exist when the steps start.
        artifacts: Patterns of the wheels that the steps leave, relative to the source.
        distributions: The names that they must have, each exactly once.
        wheel_version: The version that they must have; a release's tag and its wheel's version may be two things.
        local_version: What replaces the local part of the version; empty keeps none.
        memory_mb: What one compiler process may need at most, in MiB.
        debug_info: Keep what `-g` writes; left out, gcc gets `-g0`: Python's own CFLAGS ask for it, upstreams do not.
    """

    backend: Literal["script", "pep517"] = "script"
    pure: bool = False
    steps: Annotated[Listed[Annotated[Listed[str], Field(min_length=1)]], AfterValidator(_of_a_script)] = (
        Field(default=(), validate_default=True)
    )
    subdirectory: Inside = "."
    project_file: ProjectFile | None = None
    requirements: Annotated[Listed[RequirementTemplate], AfterValidator(_of_a_pure)] = ()
    own_requirements: bool = True
    values: dict[Placeholder, str] = {}
    env: dict[Variable, str] = {}
    toolchain: dict[ToolName, VersionRange] = {}
    clean: Listed[Inside] = ()
    artifacts: Annotated[Listed[Inside], Field(min_length=1)] = ("dist/*.whl",)
    distributions: Listed[Distribution] = ()
    wheel_version: Annotated[VersionTemplate, Field(min_length=1)] = "{version}"
    local_version: LocalTemplate = ""
    memory_mb: int = Field(default=1024, gt=0)
    debug_info: bool = False
    container: str = ""
    edits: Listed[Edit] = ()
    downloads: Listed[DeclaredDownload] = ()
    repositories: Listed[Repository] = ()
    repair: Repair = Repair()
    variants: Listed[Variant] = ()

    @model_validator(mode="after")
    def _placeholders_are_known(self, info: ValidationInfo) -> Self:
        if isinstance(info.context, Known):
            components = {name.replace("-", "_") for name in info.context.components}
            values = {*self.values, *(name for variant in self.variants for name in variant.values)}
            known = CELL_FIELDS | components | {"manylinux", "version"} | values | LATE_PLACEHOLDERS
            text = f"has no value, known are {', '.join(sorted(known))}"
            raise_for(
                Fault(path, f"{{{name}}} {text}")
                for path, name in placeholders(self.model_dump(exclude_unset=True))
                if name not in known
            )
        return self

    def resolve(self, cell: Cell, version: str = "0") -> BuildSpec:
        """Return the table with every condition decided and every placeholder of the cell filled in.

        Args:
            cell: The cell.
            version: The component's release, for which the edition of a project file is chosen.

        Raises:
            RecipeBuildError: A placeholder has no value.
        """
        at = _Resolving.of(self, cell, version)
        return BuildSpec(
            backend=self.backend,
            pure=self.pure,
            steps=tuple(tuple(map(at.filled, step)) for step in self.steps),
            subdirectory=at.filled(self.subdirectory),
            project_file=self.project_file and self.project_file.for_release(version),
            requirements=at.requirements(),
            own_requirements=self.own_requirements,
            env=at.env(),
            toolchain=at.toolchain(),
            clean=self.clean,
            artifacts=tuple(map(at.filled, self.artifacts)),
            distributions=self.distributions,
            wheel_version=at.wheel_version(),
            local_version=at.filled(self.local_version).lower(),
            memory_mb=self.memory_mb,
            debug_info=self.debug_info,
            container=at.container(),
            edits=at.edits(),
            downloads=_holding(self.downloads, cell),
            repositories=at.repositories(),
            repair=at.repair(),
        )


class BuildSpec(FileModel):
    """A `[build]` table for one cell: only the placeholders of `LATE_PLACEHOLDERS` are left in it."""

    backend: Literal["script", "pep517"]
    pure: bool
    steps: tuple[tuple[str, ...], ...]
    subdirectory: str
    project_file: ProjectFile | None
    requirements: tuple[str, ...]
    own_requirements: bool
    env: dict[str, str]
    toolchain: dict[str, str]
    clean: tuple[str, ...]
    artifacts: tuple[str, ...]
    distributions: tuple[str, ...]
    wheel_version: str
    local_version: str
    memory_mb: int
    debug_info: bool
    container: str
    edits: tuple[Edit, ...]
    downloads: tuple[DeclaredDownload, ...]
    repositories: tuple[Repository, ...]
    repair: Repair


@dataclass(frozen=True, kw_only=True)
class _Resolving:
    """One table while it is resolved for one cell: its variants that hold, and the values that are known."""

    table: BuildTable
    cell: Cell
    variants: tuple[Variant, ...]
    known: Mapping[str, str]

    @classmethod
    def of(cls, table: BuildTable, cell: Cell, version: str) -> Self:
        chosen = _holding(table.variants, cell)
        facts = cell.fields | {"manylinux": cell.target.manylinux, "version": version}
        known = expand({**facts, **table.values, **_merged(*(one.values for one in chosen))})
        return cls(table=table, cell=cell, variants=chosen, known=known)

    def filled(self, text: str) -> str:
        return fill(text, self.known, late=LATE_PLACEHOLDERS)

    def requirements(self) -> tuple[str, ...]:
        extra = (need for one in self.variants for need in one.requirements)
        return tuple(sorted({self.filled(need) for need in (*self.table.requirements, *extra)}))

    def env(self) -> dict[str, str]:
        merged = _merged(self.table.env, *(one.env for one in self.variants))
        return {name: self.filled(value) for name, value in sorted(merged.items()) if value}

    def toolchain(self) -> dict[str, str]:
        merged = _merged(self.table.toolchain, *(one.toolchain for one in self.variants))
        return {tool: self.filled(bound) for tool, bound in sorted(merged.items())}

    def container(self) -> str:
        return self._last(self.table.container, *(one.container for one in self.variants)).lower()

    def wheel_version(self) -> str:
        return self._last(self.table.wheel_version, *(one.wheel_version for one in self.variants))

    def _last(self, *stated: str) -> str:
        """Return the last that says anything, filled in."""
        return self.filled(next(filter(None, reversed(stated)), ""))

    def edits(self) -> tuple[Edit, ...]:
        held = _holding(self.table.edits, self.cell)
        return tuple(edit.model_copy(update={"replace": self.filled(edit.replace)}) for edit in held)

    def repositories(self) -> tuple[Repository, ...]:
        held = _holding(self.table.repositories, self.cell)
        return tuple(one.model_copy(update={"ref": self.filled(one.ref)}) for one in held)

    def repair(self) -> Repair:
        platform = "any" if self.table.pure else self.filled(self.table.repair.platform)
        return self.table.repair.model_copy(update={"platform": platform})


class _Conditional(Protocol):
    @property
    def when(self) -> dict[str, str]: ...


_Item = TypeVar("_Item", bound=_Conditional)


def _holding(items: Iterable[_Item], cell: Cell) -> tuple[_Item, ...]:
    return tuple(item for item in items if cell.holds(item.when))


def _merged(*tables: Mapping[_Name, str]) -> dict[_Name, str]:
    return {name: value for table in tables for name, value in table.items()}
