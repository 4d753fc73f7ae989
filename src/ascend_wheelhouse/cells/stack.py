"""Stacks: the compatibility cells of this project, as files, and the choice of one for a request.

A stack file lists one torch line with one CANN and every component's version. `choose` turns a request
(torch, target, optionally CANN and SGLang) into the `Cell` of a stack, or says that none fits, in which
case `derive.py` takes over.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, TypeVar

from packaging.version import Version
from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo

from ascend_wheelhouse.base.cell_words import APPLICATION
from ascend_wheelhouse.base.errors import UsageError
from ascend_wheelhouse.base.layered import Layered
from ascend_wheelhouse.base.toml_fault import Fault, ReferenceFaultError, meant, of_type, raise_for, shown
from ascend_wheelhouse.base.toml_file import FileModel, InvalidFilesError, Known, Problem, read
from ascend_wheelhouse.cells.cell import Cell
from ascend_wheelhouse.cells.compatibility import scan_compatibility, torchvision_for
from ascend_wheelhouse.cells.file_values import (
    Cann,
    Component,
    FileName,
    Once,
    RequirementText,
    ServingName,
    Text,
    UploadLimit,
    VersionText,
    check_component,
    check_version,
)
from ascend_wheelhouse.cells.patch_files import scan_patches
from ascend_wheelhouse.cells.recipe import Recipe, Recipes
from ascend_wheelhouse.cells.recipe_files import known_in, scan_recipes
from ascend_wheelhouse.cells.rival_stacks import defaults, same_cells
from ascend_wheelhouse.cells.serving import Serving
from ascend_wheelhouse.cells.target import Machine, Npu, Target
from ascend_wheelhouse.cells.toolchains import scan_toolchains
from ascend_wheelhouse.cells.unread_files import scan_unread

OF_CANN = ("cann-toolkit", "cann-kernels", "nnal")
_OF_TORCH = ("torch", "torch-npu", "torchvision")
REQUIRED = ("torch", "torchvision", "torch-npu", "triton-ascend")


def _versions(components: object, info: ValidationInfo) -> object:
    """Hold each component of a stack to being a recipe and to its version, and the core to being there."""
    if isinstance(components, dict):
        required = (*REQUIRED, info.data.get("application", APPLICATION))
        faults = [_version_fault(str(name), version, required, info) for name, version in components.items()]
        text = f"a required key is missing, every stack names {', '.join(required)}"
        known = {*required, *(info.context.components if isinstance(info.context, Known) else ())}
        typed = {meant(str(name), required) for name in components if name not in known}
        absent = [
            Fault((name,), text, "missing-key")
            for name in required
            if name not in components and name not in typed
        ]
        told = [*filter(None, faults), *absent]
        raise_for([*told, *_strangers_to_torch(components, {fault.path[0] for fault in told})])
    return components


def _strangers_to_torch(components: Mapping[str, str], faulty: Collection[object]) -> Iterator[Fault]:
    """Yield what was made for another torch, as far as the versions can be read.

    torch_npu's release begins with the torch that it is for: "undefined symbol" is what the wrong one ends with.
    """
    sound = {
        name: Version(components[name]) for name in _OF_TORCH if name in components and name not in faulty
    }
    if (torch := sound.get("torch")) is None:
        return
    if (npu := sound.get("torch-npu")) is not None and npu.base_version != torch.base_version:
        yield Fault(("torch-npu",), f"is for torch {npu.base_version}, and the stack's is {torch}")
    vision, wanted = sound.get("torchvision"), torchvision_for(str(torch))
    if vision is not None and vision.release[:2] != Version(wanted).release[:2]:
        yield Fault(("torchvision",), f"is {shown(str(vision))}, that of torch {torch} is {shown(wanted)}")


def _optional(optional: dict[str, str], info: ValidationInfo) -> dict[str, str]:
    """Hold optional components to being beside the others, and torchaudio to the torch: one release has both."""
    components = info.data.get("components", {})
    text = "stands under [components] too, which every cell has: name it in one of the two"
    faults = [Fault((name,), text, "twice") for name in optional if name in components]
    torch, audio = components.get("torch"), optional.get("torchaudio")
    if torch and audio and Version(audio).release[:2] != Version(torch).release[:2]:
        faults.append(Fault(("torchaudio",), f"is {shown(audio)}, and the stack's torch is {torch}"))
    raise_for(faults)
    return optional


def _version_fault(
    name: str, version: object, required: Collection[str], info: ValidationInfo
) -> Fault | None:
    """Return what is wrong with one component; CANN's own packages are of the stack's CANN.

    What is asked for by its version, or compared with a table, stands as PEP 440 writes it: `--torch 2.8.0` finds no
    stack of `2.8.0+cpu`.
    """
    cann = info.data.get("cann")
    if not isinstance(version, str):
        return Fault((name,), of_type(version, "string_type"), "type")
    try:
        check_component(name, info)
        if name not in OF_CANN:
            check_version(version)
    except ReferenceFaultError as error:
        return Fault((name,), str(error), "reference")
    except ValueError as error:
        return Fault((name,), str(error))
    if name in required and version != (plain := _plain(name, version)):
        return Fault((name,), f"is {shown(version)}, must be written {shown(plain)}")
    if name in OF_CANN and cann is not None and version != cann:
        return Fault((name,), f"is {shown(version)}, must be the stack's cann {shown(cann)}")
    return None


def _plain(name: str, version: str) -> str:
    """Return a version as stacks have it; torch without the build, which its origins name."""
    return Version(version).public if name == "torch" else str(Version(version))


class Stack(FileModel):
    """One stack file.

    Args:
        name: `torch<version>-cann<version>`, the file's name.
        summary: One sentence for the stack table.
        application: The component that it is for; `--app` chooses it.
        default: True for the one stack of its torch version that is taken when no CANN is named.
        cann: CANN's version.
        platforms: Machines that the stack is for.
        npus: Chips that the stack is for.
        components: Version of each component by recipe name; CANN's own components take `cann`.
        optional: Version of each component that `--extra` adds.
        constraints: Bounds for the resolver.
        exclude_newer: RFC 3339 time after which uploads are not considered.
        sources: Where the combination is known from.
        notes: What a person should know, one sentence each.
        serving: Name of the file in `recipes/serving/` that tells how its servers are started.
    """

    name: FileName
    summary: Text
    application: FileName = APPLICATION
    default: bool = False
    cann: Cann
    platforms: Annotated[list[Machine], Once, Field(min_length=1)]
    npus: Annotated[list[Npu], Once, Field(min_length=1)]
    components: Annotated[dict[str, str], BeforeValidator(_versions)]
    optional: Annotated[dict[Component, VersionText], AfterValidator(_optional)] = {}
    constraints: list[RequirementText] = []
    exclude_newer: UploadLimit = ""
    sources: list[Text] = Field(min_length=1)
    notes: list[Text] = []
    serving: ServingName

    @property
    def torch(self) -> str:
        """The torch version of the stack."""
        return self.components["torch"]

    @property
    def release(self) -> str:
        """The application's version."""
        return self.components[self.application]


_Named = TypeVar("_Named", Serving, Stack)


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """Every recipe and stack, checked against each other.

    Args:
        recipes: Recipes by component name.
        stacks: Stacks in file name order.
        serving: How servers are started, by name.
        folder: The `recipes/` that they were read from.
    """

    recipes: Recipes
    stacks: tuple[Stack, ...]
    serving: Mapping[str, Serving]
    folder: Layered


def load_catalogue(folder: Path | Layered) -> Catalogue:
    """Return all recipes and stacks below `recipes/`.

    Raises:
        InvalidFilesError: Anything is wrong in any file; the report lists everything.
    """
    folder = Layered.of(folder)
    known = known_in(folder)
    recipes, problems = scan_recipes(folder, known)
    problems += [*scan_compatibility(folder)[1], *scan_patches(folder, recipes, known), *scan_unread(folder)]
    problems += scan_toolchains(folder)[1]
    serving, found = _read_all(folder.below("serving"), Serving, "recipes/serving", known)
    problems += found
    problems += _bases(serving)
    stacks, found = _read_all(folder.below("stacks"), Stack, "recipes/stacks", known)
    problems += found
    problems += [*defaults(stacks, all_read=not found), *same_cells(stacks)]
    if problems:
        raise InvalidFilesError(problems)
    whole = {name: one.over(serving[one.extends]) if one.extends else one for name, one in serving.items()}
    return Catalogue(recipes=recipes, stacks=tuple(stacks.values()), serving=whole, folder=folder)


def _bases(serving: Mapping[str, Serving]) -> Iterator[Problem]:
    """Yield files that extend one which extends another itself: what holds is found in two files, not in a chain."""
    for name, one in serving.items():
        if one.extends in serving and serving[one.extends].extends:
            text = (
                f"{one.extends} extends {serving[one.extends].extends} itself, name a file that extends none"
            )
            yield Problem(file=f"recipes/serving/{name}.toml", key="extends", text=text)


def _read_all(
    folder: Layered, model: type[_Named], label: str, known: Known
) -> tuple[dict[str, _Named], list[Problem]]:
    """Return the sound files of a folder, by their names, and every problem of all of them."""
    read_ones: dict[str, _Named] = {}
    problems: list[Problem] = []
    for path in folder.named("*.toml").values():
        one, found = read(path, model, label=f"{label}/{path.name}", known=known, named=True)
        problems += found
        if one is not None:
            read_ones[path.stem] = one
    return read_ones, problems


def _precedence(stack: Stack) -> tuple[bool, Version]:
    return not stack.default, Version(stack.release)


def choose(
    catalogue: Catalogue,
    *,
    torch: str,
    target: Target,
    cann: str = "",
    sglang: str = "",
    application: str = APPLICATION,
) -> Cell | None:
    """Return the cell of the stack that answers a request, or None when no stack does.

    Where several do, it is the default of the torch version, then the one of the oldest SGLang: a newer stack in the
    folder is no other answer to an old question. Without a torch version every one of the application is looked at.
    """
    for stack in sorted(catalogue.stacks, key=_precedence):
        fits = stack.application == application and (not torch or stack.torch == torch)
        fits = fits and (not cann or stack.cann.lower() == cann.lower())
        fits = fits and (not sglang or stack.release == sglang)
        if (
            fits
            and target.machine in stack.platforms
            and target.npu in stack.npus
            and (cann or sglang or stack.default)
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
        why=f"The stacks are {', '.join(sorted(stack.name for stack in catalogue.stacks))}.",
        next_step="`invoke recipes` shows what each is for",
    )


def cell_of(stack: Stack, target: Target, catalogue: Catalogue) -> Cell:
    """Return the cell of a stack for one target; what upstream has no file for is left out and noted."""
    whole = Cell(
        stack=stack.name,
        target=target,
        cann=stack.cann,
        components=stack.components,
        constraints=tuple(stack.constraints),
        exclude_newer=stack.exclude_newer,
        serving=catalogue.serving[stack.serving].of(target),
        notes=tuple(stack.notes),
        application=stack.application,
        optional=stack.optional,
    )
    absent = [name for name in stack.components if _nowhere(catalogue.recipes[name], whole)]
    return replace(
        whole,
        components={name: version for name, version in stack.components.items() if name not in absent},
        notes=(*whole.notes, *(f"{name}: upstream has nothing for {target.machine}" for name in absent)),
    )


def serving_for(catalogue: Catalogue, stack: str, release: str, target: Target) -> Mapping[str, Any] | None:
    """Return how servers of a release that no stack lists are started, by the file that says it is for that release.

    Args:
        catalogue: Stacks and serving files.
        stack: The stack that the cell is derived from.
        release: The application's version.
        target: The node.

    Returns:
        None where no file says so: the stack's own holds.
    """
    own = next((one.serving for one in catalogue.stacks if one.name == stack), "")
    line = own.rpartition("-")[0]
    for name, one in sorted(catalogue.serving.items()):
        if name.rpartition("-")[0] == line and one.serves(release):
            return one.of(target)
    return None


def _nowhere(recipe: Recipe, cell: Cell) -> bool:
    return cell.target.machine not in recipe.platforms or any(cell.holds(when) for when in recipe.lacking)
