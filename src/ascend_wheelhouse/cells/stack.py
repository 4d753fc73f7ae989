"""Stacks: the compatibility cells of this project, as files, and the choice of one for a request.

A stack file lists one torch line with one CANN and every component's version. `choose` turns a request
(torch, target, optionally CANN and SGLang) into the `Cell` of a stack, or says that none fits, in which
case `derive.py` takes over.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from packaging.version import InvalidVersion, Version
from pydantic import Field, field_validator

from ascend_wheelhouse.base.errors import UsageError
from ascend_wheelhouse.base.toml_file import FileModel, InvalidFilesError, Problem, read
from ascend_wheelhouse.cells.cell import Cell
from ascend_wheelhouse.cells.compatibility import check_cann
from ascend_wheelhouse.cells.recipe import Recipes, scan_recipes
from ascend_wheelhouse.cells.requirement import check_requirement
from ascend_wheelhouse.cells.target import Machine, Npu, Target

REQUIRED = ("torch", "torchvision", "torch-npu", "triton-ascend", "sglang")


class Topology(FileModel):
    """How a server is started for one layout of devices: arguments of `sglang.launch_server`."""

    arguments: list[str]
    environment: dict[str, str] = {}
    unset: list[str] = []
    source: str


class Serving(FileModel):
    """One file of `recipes/serving/`: how servers of an SGLang line are started.

    Args:
        name: The file's name, which stacks refer to.
        environment: Variables recommended for every topology.
        topologies: Topologies by chip and name; those of `all` hold for every chip.
        known_failures: Probes (`PROBE` or `PROBE/ITEM`) that are known to fail on a machine, and why that is fine.
    """

    name: str
    environment: dict[str, str] = {}
    topologies: dict[Literal["all", "a3", "910b"], dict[str, Topology]]
    known_failures: dict[Literal["all", "aarch64", "x86_64"], dict[str, str]] = {}

    def of(self, target: Target) -> dict[str, Any]:
        """Return what holds for the target's chip, as the manifest carries it."""
        chosen = {**self.topologies.get("all", {}), **self.topologies.get(target.npu, {})}
        plain = {name: topology.model_dump() for name, topology in sorted(chosen.items())}
        known = {**self.known_failures.get("all", {}), **self.known_failures.get(target.machine, {})}
        return {"environment": self.environment, "known_failures": known, "topologies": plain}


class Stack(FileModel):
    """One stack file.

    Args:
        name: `torch<version>-cann<version>`, the file's name.
        summary: One sentence for the stack table.
        default: True for the one stack of its torch version that is taken when no CANN is named.
        cann: CANN's version.
        platforms: Machines that the stack is for.
        npus: Chips that the stack is for.
        components: Version of each component by recipe name; CANN's own components take `cann`.
        constraints: Bounds for the resolver.
        exclude_newer: RFC 3339 time after which uploads are not considered.
        sources: Where the combination is known from.
        notes: What a person should know, one sentence each.
        serving: Name of the file in `recipes/serving/` that tells how its servers are started.
    """

    name: str
    summary: str
    default: bool = False
    cann: str
    platforms: list[Machine] = Field(min_length=1)
    npus: list[Npu] = Field(min_length=1)
    components: dict[str, str]
    constraints: list[str] = []
    exclude_newer: str = ""
    sources: list[str] = Field(min_length=1)
    notes: list[str] = []
    serving: str

    @field_validator("constraints")
    @classmethod
    def _are_requirements(cls, lines: list[str]) -> list[str]:
        return [check_requirement(line) for line in lines]

    @field_validator("components")
    @classmethod
    def _has_the_core(cls, components: dict[str, str]) -> dict[str, str]:
        if missing := [name for name in REQUIRED if name not in components]:
            raise ValueError(f"lacks {', '.join(missing)}, every stack names {', '.join(REQUIRED)}")
        return components

    @field_validator("components")
    @classmethod
    def _torch_is_a_version(cls, components: dict[str, str]) -> dict[str, str]:
        for name in ("torch", "torchvision", "torch-npu", "sglang"):
            try:
                Version(components.get(name, "0"))
            except InvalidVersion as error:
                raise ValueError(f"{name} = {components[name]!r} is not a version") from error
        return components

    @field_validator("cann")
    @classmethod
    def _is_a_cann(cls, cann: str) -> str:
        return check_cann(cann)

    @property
    def torch(self) -> str:
        """The torch version of the stack."""
        return self.components["torch"]


_Named = TypeVar("_Named", Serving, Stack)


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """Every recipe and stack, checked against each other.

    Args:
        recipes: Recipes by component name.
        stacks: Stacks in file name order.
        serving: How servers are started, by name.
        folder: The `recipes/` folder that they were read from.
    """

    recipes: Recipes
    stacks: tuple[Stack, ...]
    serving: Mapping[str, Serving]
    folder: Path


def load_catalogue(folder: Path) -> Catalogue:
    """Return all recipes and stacks below `recipes/`.

    Raises:
        InvalidFilesError: Anything is wrong in any file; the report lists everything.
    """
    recipes, problems = scan_recipes(folder)
    serving, found = _read_all(folder / "serving", Serving, "recipes/serving")
    problems += found
    stacks, found = _read_all(folder / "stacks", Stack, "recipes/stacks")
    problems += found
    for stack in stacks.values():
        problems += _check(stack, recipes, serving)
    problems += _defaults(list(stacks.values()))
    if problems:
        raise InvalidFilesError(problems)
    return Catalogue(recipes=recipes, stacks=tuple(stacks.values()), serving=serving, folder=folder)


def _read_all(folder: Path, model: type[_Named], label: str) -> tuple[dict[str, _Named], list[Problem]]:
    read_ones: dict[str, _Named] = {}
    problems: list[Problem] = []
    for path in sorted(folder.glob("*.toml")):
        one, found = read(path, model, label=f"{label}/{path.name}")
        problems += found
        if one is not None and one.name != path.stem:
            text = f"{one.name!r} is not the file's name, expected {path.stem!r}"
            problems.append(Problem(file=f"{label}/{path.name}", key="name", text=text))
        if one is not None:
            read_ones[one.name] = one
    return read_ones, problems


def _check(stack: Stack, recipes: Recipes, serving: Mapping[str, Serving]) -> list[Problem]:
    label = f"recipes/stacks/{stack.name}.toml"
    problems = [
        Problem(
            file=label,
            key=f"components.{name}",
            text=f"no recipe has this name, allowed are {_list(recipes)}",
        )
        for name in stack.components
        if name not in recipes
    ]
    if stack.serving not in serving:
        text = f"{stack.serving!r} is no file of recipes/serving, allowed are {_list(serving)}"
        problems.append(Problem(file=label, key="serving", text=text))
    return problems


def _defaults(stacks: Sequence[Stack]) -> list[Problem]:
    problems = []
    for torch in sorted({stack.torch for stack in stacks}):
        chosen = [stack.name for stack in stacks if stack.torch == torch and stack.default]
        if len(chosen) != 1:
            names = ", ".join(stack.name for stack in stacks if stack.torch == torch)
            text = (
                f"{len(chosen)} of the stacks {names} are the default for torch {torch}, exactly one must be"
            )
            problems.append(Problem(file="recipes/stacks", key="default", text=text))
    return problems


def _list(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


def choose(
    catalogue: Catalogue, *, torch: str, target: Target, cann: str = "", sglang: str = ""
) -> Cell | None:
    """Return the cell of the stack that answers a request, or None when no stack does."""
    for stack in sorted(catalogue.stacks, key=lambda stack: not stack.default):
        fits = stack.torch == torch and (not cann or stack.cann.lower() == cann.lower())
        fits = fits and (not sglang or stack.components["sglang"] == sglang)
        if (
            fits
            and target.machine in stack.platforms
            and target.npu in stack.npus
            and (cann or stack.default)
        ):
            return cell_of(stack, target, catalogue)
    return None


def named(catalogue: Catalogue, name: str, target: Target) -> Cell:
    """Return the cell of the stack with that name.

    Raises:
        UsageError: No stack has the name, or it is not for the target.
    """
    for stack in catalogue.stacks:
        if stack.name == name and target.machine in stack.platforms and target.npu in stack.npus:
            return cell_of(stack, target, catalogue)
    raise UsageError(
        f"No stack {name!r} for {target.machine} and {target.npu}.",
        why=f"The stacks are {_list(stack.name for stack in catalogue.stacks)}.",
        next_step="`invoke recipes` shows what each is for",
    )


def cell_of(stack: Stack, target: Target, catalogue: Catalogue) -> Cell:
    """Return the cell of a stack for one target; what upstream has no file for is left out and noted."""
    absent = [name for name in stack.components if target.machine not in catalogue.recipes[name].platforms]
    notes = [f"{name}: upstream has nothing for {target.machine}" for name in absent]
    return Cell(
        stack=stack.name,
        target=target,
        cann=stack.cann,
        components={name: version for name, version in stack.components.items() if name not in absent},
        constraints=tuple(stack.constraints),
        exclude_newer=stack.exclude_newer,
        serving=catalogue.serving[stack.serving].of(target),
        notes=(*stack.notes, *notes),
    )
