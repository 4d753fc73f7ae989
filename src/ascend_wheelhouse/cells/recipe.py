"""Recipes: one component each, as data.

A recipe says where its component may come from (origins, in order), how it is built, what it needs but does
not declare, which shared libraries it may leave to the host, and which names it alone may supply. Nothing
here touches the network or the disk beyond reading `recipes/*.toml`.
"""

from __future__ import annotations

import string
from collections import defaultdict
from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Annotated, Literal

from packaging.utils import canonicalize_name
from pydantic import Field, field_validator

from ascend_wheelhouse.base.toml_file import FileModel, InvalidFilesError, Problem, read
from ascend_wheelhouse.cells.requirement import check_requirement
from ascend_wheelhouse.cells.spec import BuildTable
from ascend_wheelhouse.cells.target import MACHINES, Machine

TEMPLATE_FIELDS = frozenset(
    [
        "version",
        "machine",
        "npu",
        "torch",
        "torchvision",
        "torch_npu",
        "triton_ascend",
        "sglang",
        "sgl_kernel_npu",
        "cann",
        "cann_lower",
        "ascend",
        "branch",
        "python",
        "python_tag",
        "glibc",
        "soc",
    ]
)
When = dict[str, str]


class _Origin(FileModel):
    when: When = {}
    note: str = ""


class IndexOrigin(_Origin):
    """A wheel from the package index that pip is configured for."""

    kind: Literal["index"]


class ExtraIndexOrigin(_Origin):
    """A wheel from another index; `local` is the local version that it publishes, such as `cpu`."""

    kind: Literal["extra-index"]
    url: str
    local: str = ""


class _Templated(_Origin):
    url: str

    @field_validator("url")
    @classmethod
    def _known_fields(cls, url: str) -> str:
        return check_template(url)


class UrlOrigin(_Templated):
    """One file at a URL made from the cell's fields; `headers` are sent with the request."""

    kind: Literal["url"]
    headers: dict[str, str] = {}


class ArchiveOrigin(_Templated):
    """A release archive (zip or tar) that holds the file; `member` is its pattern inside."""

    kind: Literal["archive"]
    member: str


class GitOrigin(_Templated):
    """A source tree in git; `ref` is a template for a tag or a branch."""

    kind: Literal["git"]
    ref: str
    submodules: bool = True

    @field_validator("ref")
    @classmethod
    def _known_ref_fields(cls, ref: str) -> str:
        return check_template(ref)


class SdistOrigin(_Origin):
    """A source distribution on the package index."""

    kind: Literal["sdist"]


class FileOrigin(_Origin):
    """A file handed over with `invoke vendor`; the recipe's `files` patterns recognise it."""

    kind: Literal["file"]


Origin = Annotated[
    IndexOrigin | ExtraIndexOrigin | UrlOrigin | ArchiveOrigin | GitOrigin | SdistOrigin | FileOrigin,
    Field(discriminator="kind"),
]


class Undeclared(FileModel):
    """A requirement that the component has but does not declare, and why that is known."""

    requirement: str
    when: When = {}
    why: str

    @field_validator("requirement")
    @classmethod
    def _is_requirement(cls, text: str) -> str:
        return check_requirement(text)


class PostInstall(FileModel):
    """A step after the wheels are installed: a link in site-packages, or a distribution put in last."""

    action: Literal["symlink", "install-last"]
    path: str = ""
    target: str = ""
    why: str


class Recipe(FileModel):
    """One component.

    Args:
        name: Component name; the file is `recipes/<name>.toml`.
        summary: One sentence for tables and documents.
        kind: `wheel` goes into the environment, `payload` into the host (CANN ...), `tool` serves the installer.
        distribution: Name of the wheel's distribution; empty for payloads.
        owns: Distribution names that this recipe alone may supply.
        excludes: Distribution names kept out of every lock that holds this component.
        licence: SPDX expression or a sentence about redistribution.
        origins: Where it may come from, in order of preference.
        files: File name patterns (fnmatch) by which `invoke vendor` recognises the component.
        platforms: Machines that upstream has it for.
        needs: Components that must be in the wheelhouse or on the builder first.
        imports: Top-level import names that it provides.
        undeclared: What it needs and does not declare.
        host_libraries: Shared libraries (fnmatch of sonames) that it may leave to the host.
        chip_specific: True when builds for A2 and A3 differ under one file name.
        optional: True when serving works without it.
        supply: How a person can supply it when no origin answers.
        post_install: Steps after installation.
        build: How it is built from source.
    """

    name: str
    summary: str
    kind: Literal["wheel", "payload", "tool"] = "wheel"
    distribution: str = ""
    owns: list[str] = []
    excludes: list[str] = []
    licence: str = ""
    origins: list[Origin] = Field(min_length=1)
    files: list[str] = []
    platforms: list[Machine] = list(MACHINES)
    needs: list[str] = []
    imports: list[str] = []
    undeclared: list[Undeclared] = []
    host_libraries: list[str] = []
    chip_specific: bool = False
    optional: bool = False
    supply: str = ""
    post_install: list[PostInstall] = []
    build: BuildTable | None = None


Recipes = Mapping[str, Recipe]


def check_template(text: str) -> str:
    """Return the template when every `{field}` in it is known.

    Raises:
        ValueError: A field is unknown or the braces do not match; the text lists the fields.
    """
    try:
        names = {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}
    except ValueError as error:
        raise ValueError(f"not a template: {error}") from error
    if unknown := sorted(names - TEMPLATE_FIELDS):
        known = ", ".join(sorted(TEMPLATE_FIELDS))
        raise ValueError(f"unknown field {', '.join(unknown)}, allowed are {known}")
    return text


def load_recipes(folder: Path) -> Recipes:
    """Return every recipe of a folder by name.

    Raises:
        InvalidFilesError: Anything is wrong in any of them; the report lists everything.
    """
    recipes, problems = scan_recipes(folder)
    if problems:
        raise InvalidFilesError(problems)
    return recipes


def scan_recipes(folder: Path) -> tuple[dict[str, Recipe], list[Problem]]:
    """Return the readable recipes of a folder and every problem of all of them."""
    recipes: dict[str, Recipe] = {}
    problems: list[Problem] = []
    for path in sorted(folder.glob("*.toml")):
        if path.name == "compatibility.toml":
            continue
        label = f"recipes/{path.name}"
        recipe, found = read(path, Recipe, label=label)
        problems += found
        if recipe is not None:
            recipes[recipe.name] = recipe
            if recipe.name != path.stem:
                text = f"{recipe.name!r} is not the file's name, expected {path.stem!r}"
                problems.append(Problem(file=label, key="name", text=text))
    return recipes, problems + _across(recipes.values())


def _across(recipes: Iterable[Recipe]) -> list[Problem]:
    """Problems that show only between recipes: duplicate owners, unknown needs, cycles."""
    known = {recipe.name: recipe for recipe in recipes}
    owners: defaultdict[str, list[str]] = defaultdict(list)
    problems = []
    for recipe in known.values():
        for owned in recipe.owns:
            owners[canonicalize_name(owned)].append(recipe.name)
        problems += [
            Problem(
                file=f"recipes/{recipe.name}.toml",
                key="needs",
                text=f"{need!r} is no recipe, allowed are {', '.join(sorted(known))}",
            )
            for need in recipe.needs
            if need not in known
        ]
    problems += [
        Problem(
            file=f"recipes/{names[1]}.toml",
            key="owns",
            text=f"{owned!r} is owned by {names[0]} already, one recipe alone may own a name",
        )
        for owned, names in owners.items()
        if len(names) > 1
    ]
    return problems + _cycles(known)


def _cycles(known: Mapping[str, Recipe]) -> list[Problem]:
    try:
        TopologicalSorter({name: recipe.needs for name, recipe in known.items()}).prepare()
    except CycleError as error:
        names = [str(name) for name in error.args[1]]
        text = f"a cycle: {' -> '.join(names)}, components must have an order"
        return [Problem(file=f"recipes/{names[0]}.toml", key="needs", text=text)]
    return []


def closed_names(recipes: Recipes) -> dict[str, str]:
    """Return the recipe that alone may supply each owned distribution name (canonical form)."""
    return {canonicalize_name(owned): recipe.name for recipe in recipes.values() for owned in recipe.owns}


def own_indexes(recipes: Recipes) -> dict[str, list[str]]:
    """Return the extra indexes that each recipe names for its distribution (canonical form)."""
    return {
        canonicalize_name(recipe.distribution): urls
        for recipe in recipes.values()
        if (urls := [origin.url for origin in recipe.origins if isinstance(origin, ExtraIndexOrigin)])
    }
