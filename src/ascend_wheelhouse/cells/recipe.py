"""Recipes: one component each, as data.

A recipe says where its component may come from (origins, in order), how it is built, what it needs but does
not declare, which shared libraries it may leave to the host, and which names it alone may supply. Nothing
here touches the network or the disk beyond reading `recipes/*.toml`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal
from urllib.parse import unquote, urlsplit

from packaging.utils import canonicalize_name
from pydantic import AfterValidator, Field, ValidationInfo

from ascend_wheelhouse.base.toml_fault import shown
from ascend_wheelhouse.base.toml_file import FileModel
from ascend_wheelhouse.cells.archive_name import ArchiveName, archive_name
from ascend_wheelhouse.cells.cell import Cell
from ascend_wheelhouse.cells.condition import When
from ascend_wheelhouse.cells.file_values import (
    Component,
    Distribution,
    FileName,
    FilePattern,
    FileUrlTemplate,
    Header,
    HeaderValue,
    Inside,
    Library,
    LocalVersion,
    Module,
    Once,
    OnceNamed,
    RequirementText,
    SupplyTemplate,
    Template,
    Text,
    Url,
    UrlTemplate,
    VersionRange,
    VersionText,
    check_component,
    check_distribution,
    check_inside,
)
from ascend_wheelhouse.cells.node_needs import NodeNeeds
from ascend_wheelhouse.cells.package import HostInstall, PackageName
from ascend_wheelhouse.cells.spec import BuildTable
from ascend_wheelhouse.cells.target import MACHINES, Machine
from ascend_wheelhouse.node.errors import CELL


def _given(text: str) -> str:
    if not text.strip():
        raise ValueError("is empty, must be a tag or a branch")
    return text


def _of_a_link(text: str, info: ValidationInfo) -> str:
    """Hold the two ends of a link to being there, and to being inside; other steps have none."""
    match info.data.get("action"):
        case "symlink":
            return check_inside(text)
        case "install-last" if text:
            raise ValueError(f"is {shown(text)}, must be left out: install-last has no link")
    return text


def _as_its_kind(text: str, info: ValidationInfo) -> str:
    match info.data.get("kind"):
        case "payload" if text:
            raise ValueError(f"is {shown(text)}, must be left out: a payload is no wheel")
        case "wheel" | "tool":
            return check_distribution(text)
    return text


def _of_a_component(name: str, info: ValidationInfo) -> str:
    return check_component(name, info) if name else name


class _Origin(FileModel):
    when: When = {}
    note: str = ""


class IndexOrigin(_Origin):
    """A wheel from the package index that pip is configured for."""

    kind: Literal["index"]


class ExtraIndexOrigin(_Origin):
    """A wheel from another index; `local` is the local version that it publishes, such as `cpu`."""

    kind: Literal["extra-index"]
    url: Url
    local: LocalVersion = ""


class _Templated(_Origin):
    url: UrlTemplate


class _OfAFile(_Templated):
    url: FileUrlTemplate


class UrlOrigin(_OfAFile):
    """One file at a URL made from the cell's fields; `headers` are sent with the request."""

    kind: Literal["url"]
    headers: dict[Header, HeaderValue] = {}


class ArchiveOrigin(_OfAFile):
    """A release archive (zip or tar) that holds the file; `member` is its pattern inside.

    `of` is the component whose recipe lists the archive's names, which `{archive}` of the URL stands for; the
    component itself when empty.
    """

    kind: Literal["archive"]
    member: Inside
    of: Annotated[str, AfterValidator(_of_a_component)] = ""


class GitOrigin(_Templated):
    """A source tree in git; `ref` is a template for a tag or a branch."""

    kind: Literal["git"]
    ref: Annotated[Template, AfterValidator(_given)]
    submodules: bool = True


class SdistOrigin(_Origin):
    """A source distribution on the package index."""

    kind: Literal["sdist"]


class FileOrigin(_Origin):
    """A file imported with `invoke vendor`; the recipe's `files` patterns recognise it."""

    kind: Literal["file"]


Origin = Annotated[
    IndexOrigin | ExtraIndexOrigin | UrlOrigin | ArchiveOrigin | GitOrigin | SdistOrigin | FileOrigin,
    Field(discriminator="kind"),
]


class Undeclared(FileModel):
    """A requirement that the component has but does not declare, and why that is known."""

    requirement: RequirementText
    when: When = {}
    why: Text


class Companions(FileModel):
    """Which other components go with some releases of this one, where a cell names a release that no stack lists.

    Args:
        versions: The releases.
        components: A version of each component that they need; components that other rows name are left out.
        source: How that is known.
    """

    versions: VersionRange
    components: dict[Component, VersionText] = {}
    source: Text


class PostInstall(FileModel):
    """A step after the wheels are installed: a link in site-packages, or a distribution put in last."""

    action: Literal["symlink", "install-last"]
    path: Annotated[str, AfterValidator(_of_a_link)] = Field(default="", validate_default=True)
    target: Annotated[str, AfterValidator(_of_a_link)] = Field(default="", validate_default=True)
    why: Text


class Recipe(FileModel):
    """One component.

    Args:
        name: Component name; the file is `recipes/<name>.toml`.
        summary: One sentence for tables and documents.
        kind: `wheel` goes into the environment, `payload` into the host (CANN ...), `tool` serves the installer.
        distribution: Name of the wheel's distribution; empty for payloads.
        owns: Distribution names that this recipe alone may supply.
        excludes: Distribution names kept out of every lock that holds this component.
        licence: SPDX expression or a sentence about redistribution; never empty.
        origins: Where it may come from, in order of preference.
        files: File name patterns (fnmatch) by which `invoke vendor` recognises the component.
        archives: Names of its publisher's release archives; `{archive}` of an origin is the one for the cell.
        names: Exact names of a payload's packages, in place of `files`; `{filename}` of an origin is one of them.
        install: How a payload's package is put onto a node.
        platforms: Machines that upstream has it for.
        lacking: Cells of these machines that upstream has nothing for all the same.
        needs: Components that must be in the wheelhouse or on the builder first.
        imports: Top-level import names that it provides.
        roots: Modules that its commands start from, and that its packages do not reach by themselves.
        libraries: Shared libraries (patterns of file names) that its wheel must have, or that a payload brings
            to the node: the audit refuses a wheel without them, and names the payload that another wheel needs.
        undeclared: What it needs and does not declare.
        companions: Which other components go with which of its releases; the first row that holds counts.
        node: What its publisher states of the node; the first row whose condition holds counts.
        host_libraries: Shared libraries (fnmatch of sonames) that it may leave to the host.
        chip_specific: True when builds for A2 and A3 differ under one file name.
        optional: True when serving works without it.
        supply: How a person can supply it when no origin answers.
        post_install: Steps after installation.
        build: How it is built from source.
    """

    name: FileName
    summary: Text
    kind: Literal["wheel", "payload", "tool"] = "wheel"
    distribution: Annotated[str, AfterValidator(_as_its_kind)] = Field(default="", validate_default=True)
    owns: Annotated[list[Distribution], OnceNamed] = []
    excludes: Annotated[list[Distribution], OnceNamed] = []
    licence: Text
    origins: list[Origin] = Field(min_length=1)
    files: Annotated[list[FilePattern], Once] = []
    archives: list[ArchiveName] = []
    names: list[PackageName] = []
    install: HostInstall | None = None
    platforms: Annotated[list[Machine], Once, Field(min_length=1)] = list(MACHINES)
    lacking: list[When] = []
    needs: Annotated[list[Component], Once] = []
    imports: Annotated[list[Module], Once] = []
    roots: Annotated[list[Module], Once] = []
    libraries: Annotated[list[Library], Once] = []
    undeclared: list[Undeclared] = []
    companions: list[Companions] = []
    node: list[NodeNeeds] = []
    host_libraries: Annotated[list[Library], Once] = []
    chip_specific: bool = False
    optional: bool = False
    supply: SupplyTemplate = ""
    post_install: list[PostInstall] = []
    build: BuildTable | None = None

    @property
    def patterns(self) -> list[str]:
        """File name patterns (fnmatch) of everything that is this component's."""
        return [*self.files, *(name.glob for name in self.names)]

    @property
    def indexed(self) -> bool:
        """Whether a package index has it, as wheel or source; else its name there is free, or another project's."""
        return any(one.kind in {"index", "extra-index", "sdist"} for one in self.origins)


Recipes = Mapping[str, Recipe]


class _Named(dict[str, str]):
    """A template's fields, where an unknown one stays as it is written."""

    def __missing__(self, key: str) -> str:
        return "{" + key + "}"


def archive_of(recipe: Recipe, cell: Cell, recipes: Recipes) -> str | None:
    """Return the name of the release archive that holds a component of a cell, or None where none is known.

    Args:
        recipe: The component's recipe.
        cell: The cell.
        recipes: Every recipe: the archive's names may stand in another one.
    """
    version = cell.components[recipe.name]
    for origin in recipe.origins:
        if isinstance(origin, ArchiveOrigin) and cell.holds(origin.when):
            named = recipes[origin.of or recipe.name].archives
            if (found := archive_name(named, cell, version)) is not None:
                return found
    return None


def file_to_get(recipe: Recipe, cell: Cell, fields: Mapping[str, str]) -> str:
    """Return the exact name of the file that a person downloads for a component, or what it is of where none is known.

    Args:
        recipe: The component's recipe.
        cell: The cell that lacks it.
        fields: What the templates of its origins may name beside the cell's own fields.
    """
    version = cell.components[recipe.name]
    known = _Named(cell.fields | {"version": version} | dict(fields))
    if "archive" not in known and (own := archive_name(recipe.archives, cell, version)) is not None:
        known["archive"] = own
    for origin in recipe.origins:
        if isinstance(origin, UrlOrigin | ArchiveOrigin) and cell.holds(origin.when):
            name = unquote(urlsplit(origin.url).path.rpartition("/")[2]).format_map(known)
            if "{" not in name:
                return name
    return f"a build of {version} for CANN {cell.cann}, {cell.target.npu}, {cell.target.machine}"


def supply_of(recipe: Recipe, cell: Cell, otherwise: str, fields: Mapping[str, str] | None = None) -> str:
    """Return how a person can supply a component, in the words of its recipe where it has some.

    Args:
        recipe: The component's recipe.
        cell: The cell that lacks it.
        otherwise: What to say where the recipe says nothing.
        fields: What the recipe's words may name beside the cell's own fields.
    """
    known = cell.fields | {"version": cell.components[recipe.name]} | dict(fields or {})
    known["file"] = file_to_get(recipe, cell, known)
    text = recipe.supply.format_map(_Named(known | {"cell": cell.words})) or otherwise
    return text.replace(CELL, cell.words)


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
