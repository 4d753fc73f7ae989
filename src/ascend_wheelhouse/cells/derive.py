"""Cells that no stack file lists, by stated rules; every such cell is marked `derived`.

torchvision follows torch by rule. torch_npu is the newest release on the index whose torch is the one asked for and
which is stated to run on the CANN asked for; where the index has none, the source branch. CANN comes from `--cann`, or
from the compatibility table: from the newest release for a CANN line that a stack has, since kernels and the rest are
that stack's, and from the newest of all where no stack has one. Where neither says it, it comes from the nearest stack
of the same minor line of torch. Everything else is taken from the nearest stack: the one of the nearest CANN line and
then of the closest torch, since kernels are built for a CANN.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import replace

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from ascend_wheelhouse.base.cell_words import APPLICATION
from ascend_wheelhouse.base.errors import ResolveError, UsageError
from ascend_wheelhouse.cells.cell import Cell
from ascend_wheelhouse.cells.compatibility import (
    Compatibility,
    UnknownCannError,
    cann_line,
    require_comparable,
    torchvision_for,
)
from ascend_wheelhouse.cells.contradiction import held_to
from ascend_wheelhouse.cells.file_values import check_cann
from ascend_wheelhouse.cells.nearest import NoStackError, fitting, nearest_stack
from ascend_wheelhouse.cells.package import file_name
from ascend_wheelhouse.cells.recipe import Recipes
from ascend_wheelhouse.cells.request import Request
from ascend_wheelhouse.cells.stack import OF_CANN, Catalogue, Stack, cell_of, choose, named, serving_for
from ascend_wheelhouse.cells.target import dotted

Versions = Callable[[str], list[str]]
"""Versions of a distribution that have a wheel for the target, oldest first; empty when the name is unknown."""

_CHIP_SINCE = {"950": "2.11.0"}
"""torch_npu 2.6.0 refuses Ascend 950, 2.11.0 runs on it with CANN 9.1 (RLinf/RLinf#1577)."""
_GUIDE_ONLY = ("custom-ops", "custom-ops-run", "bisheng")


class UnknownTorchError(ResolveError):
    """The torch version does not exist, or has no wheel for the target."""


class UnknownApplicationError(UsageError):
    """`--app` names nothing that a stack is for, or does not go with the other words."""


class ChipNotOfCannError(UsageError):
    """A CANN has no operator package of the chip."""


class BadVersionError(UsageError):
    """A word given as a version is none."""


def cell_for(request: Request, catalogue: Catalogue, table: Compatibility, versions: Versions) -> Cell:
    """Return the cell for a request: a stack's when one fits, else a derived one.

    Args:
        request: What was asked.
        catalogue: Recipes and stacks.
        table: The compatibility table.
        versions: Asked only when no stack fits.

    Raises:
        UsageError: No stack has the name asked for.
        UnknownApplicationError: No stack is for the application.
        AgainstStackError: A word contradicts the stack.
        BadVersionError: `--torch`, `--cann` or `--sglang` is no version.
        UnknownTorchError: torch has no such wheel; the text lists those that exist.
        UnknownCannError: Nothing says which CANN the torch version needs.
        NoStackError: No stack is for the target.
        ChipNotOfCannError: The CANN has no operator package of the chip.
    """
    return _with_extras(_without_extras(request, catalogue, table, versions), request)


def _without_extras(request: Request, catalogue: Catalogue, table: Compatibility, versions: Versions) -> Cell:
    if request.stack:
        return _judged(held_to(named(catalogue, request.stack, request.target), request), table)
    _check_words(request)
    _check_application(request, catalogue)
    choice = functools.partial(
        choose,
        catalogue,
        torch=request.torch,
        target=request.target,
        cann=request.cann,
        application=request.application,
    )
    if (listed := choice(sglang=request.sglang)) is not None:
        return _judged(listed, table)
    if (near := choice()) is not None:
        return _judged(_other_release(near, request, catalogue), table)
    _check_torch_is_named(request, catalogue)
    _check_cann(request, table)
    _check_torch(request, versions)
    torch_npu, cann, notes = _torch_npu(request, catalogue, table, versions)
    cell = _derived(request, catalogue, table, torch_npu=torch_npu, cann=cann, notes=notes)
    _check_chip(cell, catalogue)
    return cell


def _judged(cell: Cell, table: Compatibility) -> Cell:
    """Return a stack's cell with what the compatibility table does not say of it, which a person is told."""
    doubt = table.doubt(cell.components["torch-npu"], cell.cann)
    return replace(cell, notes=(*cell.notes, doubt), doubts=(doubt,)) if doubt else cell


def _check_torch_is_named(request: Request, catalogue: Catalogue) -> None:
    """Hold a request without a torch version to having had a stack: nothing is derived from no torch."""
    if not request.torch:
        told = [
            f"CANN {one.cann} for {' and '.join(one.npus)}"
            for one in catalogue.stacks
            if one.application == request.application
        ]
        raise NoStackError(
            f"No stack of {request.application} is for what was asked.",
            why=f"Its stacks are for {'; '.join(told)}.",
            next_step=f"name a torch as well, so that a cell is worked out: --app {request.application} --torch 2.8.0",
        )


def _of_chip(npu: str, torch_npu: str) -> list[str]:
    """Return what is not known of a chip that is newer than a torch_npu."""
    first = _CHIP_SINCE.get(npu)
    if first is None or Version(torch_npu) >= Version(first):
        return []
    return [f"torch_npu is known to run on {npu} from {first} on, and nothing is known of {torch_npu}"]


def _check_chip(cell: Cell, catalogue: Catalogue) -> None:
    """Hold the chip to those that the cell's CANN has operators for: the recipe names every package of them."""
    for recipe in (catalogue.recipes[name] for name in OF_CANN if name in catalogue.recipes):
        own = [name for name in recipe.names if name.npu == cell.target.npu]
        if not own or file_name(recipe.names, cell, cell.cann) is not None:
            continue
        require_comparable(cell.cann)
        told = "; ".join(f"CANN {name.when.get('cann', cell.cann)} ({name.source})" for name in own)
        raise ChipNotOfCannError(
            f"CANN {cell.cann} has no {recipe.name} for chip {cell.target.npu}.",
            why=f"Upstream has them for {told}.",
            next_step=f"name a CANN of that range with --cann, and a torch that it serves: --torch 2.10.0 --cann 9.1.0 "
            f"--npu {cell.target.npu}",
        )


def _with_extras(cell: Cell, request: Request) -> Cell:
    """Return the cell with what was asked for beyond its stack: optional components, and extras of the application."""
    more = {name: cell.optional[name] for name in request.extras if name in cell.optional}
    return replace(cell, components={**cell.components, **more}, extras=request.extras)


def _check_application(request: Request, catalogue: Catalogue) -> None:
    known = sorted({stack.application for stack in catalogue.stacks})
    if known and request.application not in known:
        raise UnknownApplicationError(
            f"Unknown application {request.application!r}.",
            why="An application is known when a stack in recipes/stacks is for it.",
            next_step=f"--app {' or --app '.join(known)}",
        )
    if request.sglang and request.application != APPLICATION:
        raise UnknownApplicationError(
            f"--sglang {request.sglang} says nothing of {request.application}.",
            next_step=f"leave --sglang away, or --app; `invoke stacks` shows the releases of {request.application}",
        )


def _other_release(near: Cell, request: Request, catalogue: Catalogue) -> Cell:
    """Return the cell of a stack with another release of SGLang, and what goes with that."""
    listed = near.components["sglang"]
    note = f"no stack lists SGLang {request.sglang} with torch {near.torch} and CANN {near.cann}"
    return replace(
        near,
        stack=f"derived from {near.stack}",
        components=_with_companions({**near.components, "sglang": request.sglang}, catalogue.recipes),
        serving=serving_for(catalogue, near.stack, request.sglang, near.target) or near.serving,
        derived=True,
        notes=(
            f"{note}; the rest is as in {near.stack}, which has {listed}",
            *(known for known in near.notes if listed not in known),
        ),
    )


def _check_words(request: Request) -> None:
    for option, word in (("--torch", request.torch), ("--sglang", request.sglang)):
        try:
            Version(word if option == "--torch" and not request.app else word or "0")
        except ValueError as error:
            raise BadVersionError(
                f"{option} {word!r} is not a version.",
                next_step=f"{option} {'2.8.0' if option == '--torch' else '0.5.6.post2'}, for example",
            ) from error
    if request.torch and (local := Version(request.torch).local):
        raise BadVersionError(
            f"--torch {request.torch} names a build of torch for {local}.",
            why="Every cell has torch's build for the CPU: torch_npu brings the device.",
            next_step=f"--torch {Version(request.torch).public}",
        )
    try:
        check_cann(request.cann or "8.5.0")
    except ValueError as error:
        raise UnknownCannError(
            f"--cann {request.cann!r} is not a CANN version.",
            why="CANN versions look like 8.3.RC2 or 8.5.0.",
            next_step="`cat /etc/Ascend/ascend_cann_install.info` on a node shows its CANN",
        ) from error


def _check_cann(request: Request, table: Compatibility) -> None:
    known = {cann_line(cann) for cann in table.canns}.union(*table.backward.values())
    if request.cann and cann_line(request.cann) not in known:
        raise UnknownCannError(
            f"Nothing is known of CANN {request.cann}.",
            why=f"The compatibility table knows the lines {', '.join(sorted(known))}.",
            next_step="`cat /etc/Ascend/ascend_cann_install.info` on a node shows its CANN; new lines belong into "
            "recipes/compatibility.toml",
        )


def _check_torch(request: Request, versions: Versions) -> None:
    known = {Version(version).public for version in versions("torch")}
    if Version(request.torch).public in known:
        return
    names = ", ".join(sorted(known, key=Version, reverse=True)) or "none"
    meant = [version for version in known if version.startswith(f"{request.torch}.")]
    if meant:
        served = {Version(version).base_version for version in versions("torch-npu")}
        best = max(meant, key=lambda version: (version in served, Version(version)))
        raise UnknownTorchError(
            f"torch {request.torch} is a line and not a version; did you mean {best}?",
            why=f"A wheelhouse is for one version exactly, and these are of that line: {', '.join(sorted(meant))}.",
            next_step=f"the same command with --torch {best}",
        )
    raise UnknownTorchError(
        f"torch {request.torch} has no wheel for {request.target.machine} and Python {dotted(request.target.python)}.",
        why=f"The versions that have one here are: {names}.",
        next_step=f"`invoke wheelhouse {request.words}` with one of these; `invoke recipes` lists the proven stacks",
    )


def _torch_npu(
    request: Request, catalogue: Catalogue, table: Compatibility, versions: Versions
) -> tuple[str, str, list[str]]:
    """Return torch_npu's version, CANN's, and what to know about the choice."""
    released = [Version(v) for v in versions("torch-npu") if Version(v).base_version == request.torch]
    lines = {cann_line(request.cann or one.cann) for one in fitting(request, catalogue)}
    rows = table.rows_for(request.torch, request.cann)
    rows.sort(key=lambda row: cann_line(row.cann) not in lines)
    listed = [row for row in rows if Version(row.version) in released]
    if listed:
        row = listed[0]
        return row.version, request.cann or row.cann, ["torch_npu and CANN by the compatibility table"]
    cann = request.cann or (rows[0].cann if rows else _nearest_cann(request, catalogue, table))
    if released:
        newest = max(released, key=lambda version: (not version.is_prerelease, version))
        taken = "" if request.cann else f": {cann} is taken, --cann names another"
        note = f"the compatibility table does not say which CANN torch_npu {newest} belongs to{taken}"
        return str(newest), cann, [note]
    note = f"no torch_npu release for torch {request.torch} and CANN {cann} on the index: built from source"
    return (rows[0].version if rows else request.torch), cann, [note]


def _nearest_cann(request: Request, catalogue: Catalogue, table: Compatibility) -> str:
    """Return the CANN of the nearest stack of the same minor line, or of the newest row whose torch is not newer."""
    wanted = Version(request.torch).release[:2]
    if any(Version(one.torch).release[:2] == wanted for one in fitting(request, catalogue)):
        return nearest_stack(request, catalogue).cann
    older = [row for row in table.torch_npu if Version(row.torch) <= Version(request.torch)]
    if older:
        return max(older, key=lambda row: (Version(row.torch), Version(row.version))).cann
    raise UnknownCannError(
        f"Nothing says which CANN torch {request.torch} needs.",
        why=f"The compatibility table knows CANN {', '.join(table.canns)}.",
        next_step="name the CANN of your nodes: --cann 8.5.0",
    )


def _derived(
    request: Request,
    catalogue: Catalogue,
    table: Compatibility,
    *,
    torch_npu: str,
    cann: str,
    notes: list[str],
) -> Cell:
    near = nearest_stack(request, catalogue, cann)
    base = cell_of(near, request.target, catalogue)
    same_line = cann_line(near.cann) == cann_line(cann)
    stated = table.triton_for(cann, request.torch)
    kept = {k: v for k, v in base.components.items() if k not in _GUIDE_ONLY or same_line}
    changed = {
        "torch": request.torch,
        "torchvision": torchvision_for(request.torch),
        "torch-npu": torch_npu,
        "triton-ascend": stated or table.triton_for(cann) or base.components["triton-ascend"],
        base.application: request.sglang or base.components[base.application],
        **dict.fromkeys((name for name in OF_CANN if name in base.components), cann),
    }
    serving = serving_for(catalogue, near.name, changed[base.application], request.target)
    chip = _lacking_chip(near, request, cann)
    facts = [
        f"no stack lists torch {request.torch} with CANN {cann}{chip}; the rest is as in {near.name}",
        *notes,
        *([] if same_line else [_of_other_cann(near, cann)]),
        *([] if stated else [_no_triton(request.torch, cann, changed["triton-ascend"])]),
        *_of_chip(request.target.npu, torch_npu),
    ]
    return replace(
        base,
        stack=f"derived from {near.name}",
        cann=cann,
        components=_with_companions({**kept, **changed}, catalogue.recipes),
        serving=serving if request.sglang and serving else base.serving,
        derived=True,
        notes=tuple(facts),
    )


def _lacking_chip(near: Stack, request: Request, cann: str) -> str:
    listed = near.torch == request.torch and near.cann.lower() == cann.lower()
    return f" for chip {request.target.npu}" if listed and request.target.npu not in near.npus else ""


def _of_other_cann(near: Stack, cann: str) -> str:
    return f"no stack has CANN {cann_line(cann)}: what {near.name} has is for CANN {near.cann}"


def _no_triton(torch: str, cann: str, taken: str) -> str:
    return f"no triton-ascend is stated for torch {torch} with CANN {cann}: {taken} is taken"


def _with_companions(components: Mapping[str, str], recipes: Recipes) -> dict[str, str]:
    """Return the components with those that go with their releases, in place of those that go with others."""
    chosen = dict(components)
    for name, version in components.items():
        rows = recipes[name].companions
        row = next(
            (one for one in rows if SpecifierSet(one.versions).contains(version, prereleases=True)), None
        )
        if row is not None:
            others = {each for one in rows for each in one.components}
            chosen = {one: at for one, at in chosen.items() if one not in others} | row.components
    return chosen
