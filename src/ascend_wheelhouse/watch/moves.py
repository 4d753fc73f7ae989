"""What would have to move with a new release of a component, by the compatibility table and the recipes.

Where nothing is stated, the text says so: a row that is not in the table is unknown, neither good nor bad.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from ascend_wheelhouse.cells.cell import Cell
from ascend_wheelhouse.cells.compatibility import Compatibility, torchvision_for
from ascend_wheelhouse.cells.recipe import Recipes
from ascend_wheelhouse.cells.stack import Stack
from ascend_wheelhouse.locks.lock_diff import Change
from ascend_wheelhouse.watch.names import version_or_none
from ascend_wheelhouse.watch.releases import Release, by_source

TOGETHER = {
    "vllm": "vllm-ascend",
    "vllm-ascend": "vllm",
    "deep-ep": "sgl-kernel-npu",
    "sgl-kernel-npu": "deep-ep",
}
"""Components whose releases are made for each other."""
_VLLM, _PLUGIN = "vllm", "vllm-ascend"


def moves(
    component: str,
    release: Release,
    *,
    stacks: Sequence[Stack],
    table: Compatibility,
    recipes: Recipes,
    torch_npus: Sequence[Release],
) -> str:
    """Return what a release of a component asks of the stacks that it would go into, as sentences.

    Args:
        component: Its name.
        release: The release.
        stacks: The stacks that it is newer for; none where it opens a line that no stack has.
        table: The compatibility table.
        recipes: Every recipe.
        torch_npus: The published releases of torch_npu.
    """
    match component:
        case "torch-npu":
            told = _of_torch_npu(release, stacks, table)
        case "triton-ascend":
            told = _of_triton(release, stacks, table)
        case "torch":
            told = _of_torch(release, torch_npus)
        case "torchvision":
            told = _of_torchvision(release, stacks)
        case "torchaudio":
            told = _of_torchaudio(release, stacks)
        case _:
            told = _of_others(component, release, stacks, recipes)
    return " ".join(told)


def moves_alone(component: str, release: Release, stack: Stack, table: Compatibility) -> bool:
    """Tell whether a release may go into a stack while torch, torch_npu, torchvision and CANN stay as they are.

    Args:
        component: Its name.
        release: The release.
        stack: The stack.
        table: The compatibility table; what it does not know may be tried.
    """
    match component:
        case "torch":
            return False
        case "torch-npu":
            row = table.row(release.text)
            return release.version.base_version == stack.torch and (
                row is None or table.fits(row, stack.cann)
            )
        case "torchvision":
            return torchvision_for(stack.torch) == release.text
        case "torchaudio":
            return release.version.base_version == stack.torch
        case "triton-ascend":
            return table.triton_fits(release.text, stack.cann, stack.torch) is not False
    return True


def stated(component: str, release: Release, stack: Stack, table: Compatibility) -> bool | None:
    """Return whether the compatibility table has a release for a stack's own CANN; None where it has no row of it."""
    match component:
        case "torch-npu":
            row = table.row(release.text)
            return None if row is None else table.fits(row, stack.cann)
        case "triton-ascend":
            return table.triton_fits(release.text, stack.cann, stack.torch)
    return None


def taken(component: str, offered: Sequence[Release], stack: Stack, table: Compatibility) -> Release | None:
    """Return the release that `--apply` takes for a stack; None where the table has all for another CANN alone.

    Args:
        component: Its name.
        offered: The releases that are told, oldest first.
        stack: The stack.
        table: One that it has for the stack's CANN goes before one that it does not know.
    """
    known = {one: stated(component, one, stack, table) for one in offered}
    fitting = [one for one in offered if known[one]] or [one for one in offered if known[one] is None]
    return fitting[-1] if fitting else None


def kept_out(component: str, release: Release, stack: Stack, recipes: Recipes) -> str:
    """Return which component of a stack asks for another release, by the dependency list of its recipe, else nothing.

    Args:
        component: The component's name.
        release: The release that would go into the stack.
        stack: The stack.
        recipes: Every recipe.
    """
    own = canonicalize_name(recipes[component].distribution)
    for owner, version in stack.components.items():
        build = recipes[owner].build
        edition = build.project_file.edition(version) if build and build.project_file else None
        for need in map(Requirement, edition.dependencies if edition else ()):
            if canonicalize_name(need.name) == own and not need.specifier.contains(
                release.version, prereleases=True
            ):
                return f"{owner} {version} asks for {need.name}{need.specifier}"
    return ""


def of_two_releases(versions: Mapping[str, str]) -> str:
    """Return vLLM and vllm-ascend as text where their versions are not for each other, else nothing.

    A release of vllm-ascend is for the vLLM release of its version, a later `.post` too; a candidate may be for another
    patch of that line, as 0.14.0rc1 is for 0.14.1 (vllm-ascend, docs/source/community/versioning_policy.md@6ee999e).

    Args:
        versions: The version of each component of a stack.
    """
    vllm, plugin = (version_or_none(versions.get(name, "")) for name in (_VLLM, _PLUGIN))
    if vllm is None or plugin is None:
        return ""
    parts = 2 if plugin.is_prerelease else 3
    if (vllm.major, vllm.minor, vllm.micro)[:parts] == (plugin.major, plugin.minor, plugin.micro)[:parts]:
        return ""
    return f"{_VLLM} {versions[_VLLM]} and {_PLUGIN} {versions[_PLUGIN]}"


def unstated(changes: Iterable[Change], cell: Cell, table: Compatibility) -> Iterator[str]:
    """Yield releases that moved, of which nothing says whether they go with a cell's CANN, as `NAME VERSION`."""
    for one in changes:
        match one.name:
            case "torch-npu":
                stated: object = table.row(one.after)
            case "triton-ascend":
                stated = table.triton_fits(one.after, cell.cann, cell.torch)
            case _:
                continue
        if one.after and stated is None:
            yield f"{one.name} {one.after}"


def _of_torch_npu(release: Release, stacks: Sequence[Stack], table: Compatibility) -> Iterator[str]:
    row = table.row(release.text)
    if row is None:
        yield "recipes/compatibility.toml has no row of it: nothing says which CANN it needs."
        return
    yield f"By recipes/compatibility.toml it is for CANN {row.cann}."
    for cann in sorted({one.cann for one in stacks}):
        if table.fits(row, cann):
            yield f"It is stated to run on CANN {cann}, too." if cann != row.cann else "CANN stays."
        else:
            newest = table.triton_for(row.cann, row.torch)
            triton = f", and triton-ascend to {newest}" if newest else ""
            yield f"CANN {cann} would have to move to {row.cann}{triton}."


def _of_triton(release: Release, stacks: Sequence[Stack], table: Compatibility) -> Iterator[str]:
    stated = {one.cann: table.triton_fits(release.text, one.cann) for one in stacks}
    if all(fits is None for fits in stated.values()):
        yield "recipes/compatibility.toml has no row of it: nothing says which CANN it needs."
        return
    for cann, fits in sorted(stated.items()):
        yield f"By recipes/compatibility.toml it is {'' if fits else 'not '}for CANN {cann}."


def _of_torch(release: Release, torch_npus: Sequence[Release]) -> Iterator[str]:
    same = [one.text for one in torch_npus if one.version.base_version == release.version.base_version]
    yield f"torch_npu {same[-1]} is published for it." if same else "No torch_npu is published for it yet."
    yield f"torchvision {torchvision_for(release.text)} goes with it by rule."


def _of_torchvision(release: Release, stacks: Sequence[Stack]) -> Iterator[str]:
    for torch in sorted({one.torch for one in stacks}, key=Version):
        if torchvision_for(torch) != release.text:
            yield f"torch {torch} goes with {torchvision_for(torch)} by rule: torch would have to move with it."


def _of_torchaudio(release: Release, stacks: Sequence[Stack]) -> Iterator[str]:
    for torch in sorted({one.torch for one in stacks} - {release.version.base_version}, key=Version):
        yield f"torch {torch} goes with torchaudio {torch}: torch would have to move with it."


def _of_others(component: str, release: Release, stacks: Sequence[Stack], recipes: Recipes) -> Iterator[str]:
    recipe = recipes[component]
    if by_source(recipe) and not release.sdist:
        yield "The index has no source archive of it: where its tag cannot be had,"
        yield f"`invoke vendor {component}` takes a clone."
    if other := TOGETHER.get(component):
        yield f"{other} goes with it, release by release."
    for row in recipe.companions:
        if SpecifierSet(row.versions, prereleases=True).contains(release.version):
            named = ", ".join(f"{name} {version}" for name, version in row.components.items())
            yield f"By its recipe {named} goes with it." if named else ""
            break
    for owner in recipes.values():
        held = {one.components[owner.name] for one in stacks if owner.name in one.components}
        for row in owner.companions:
            able = SpecifierSet(row.versions, prereleases=True)
            if row.components.get(component) and any(map(able.contains, held)):
                yield f"{owner.name} {row.versions} goes with {row.components[component]} by its recipe."
