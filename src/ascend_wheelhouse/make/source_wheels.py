"""The wheels that a lock builds from source: built side by side, and held to the lock's digests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ascend_wheelhouse.base.errors import IntegrityError
from ascend_wheelhouse.cells.recipe import Recipe, Recipes
from ascend_wheelhouse.locks.lock import Lock, LockedSource, Pending
from ascend_wheelhouse.locks.pylock import LockedFile
from ascend_wheelhouse.make.source_files import is_built, offer_built
from ascend_wheelhouse.node.errors import CELL

if TYPE_CHECKING:
    from ascend_wheelhouse.build.command import Workshop
    from ascend_wheelhouse.build.scheduler import Step
    from ascend_wheelhouse.make.building import Building
    from ascend_wheelhouse.pin.source_builds import SourceBuilds

_BUILDS = 4


class BuiltDiffersError(IntegrityError):
    """A wheel built here has other bytes than the lock says."""


def build_sources(building: Building, lock: Lock) -> list[LockedSource | Pending]:
    """Build what a lock builds from source; what `source_files.downloads_for` names is in the store.

    Returns:
        For each source of the lock the same with its wheel, or why this host cannot build it: no compiler, no CANN.

    Raises:
        BuiltDiffersError: The lock has another digest.
        BuildError: A build failed.
    """
    from ascend_wheelhouse.build.host_slots import HOST_SLOTS, HostSlots
    from ascend_wheelhouse.build.scheduler import run_all

    recipes = building.folder.recipes
    tables = (recipes[source.component].build for source in lock.sources)
    hungriest = max((table.memory_mb for table in tables if table and not table.pure), default=0)
    # builds on a farm wait for none of this host
    supply = HOST_SLOTS if building.farm is None else HostSlots()
    with supply.joined(hungriest) as host:
        builds = min(len(lock.sources) or 1, _BUILDS)
        workshop = replace(building.workshop(), server=host.server, builds=builds)

        steps = [_step(building, workshop, source) for source in lock.sources]
        if building.farm is None:
            outcomes = run_all(steps, workers=_BUILDS, memory_mb=host.memory_mb)
        else:  # its scheduler knows the memory of each worker
            outcomes = run_all(
                steps, workers=building.farm.builds, memory_mb=sum(step.memory_mb for step in steps)
            )
    results: list[LockedSource | Pending] = []
    for source in lock.sources:
        outcome = outcomes[source.component]
        if outcome.error is not None:
            raise outcome.error
        results.append(outcome.result or source)
    return results


def _step(building: Building, workshop: Workshop, source: LockedSource) -> Step[LockedSource | Pending]:
    """Return the step of one source's build, which waits for those that it needs."""
    from ascend_wheelhouse.build.scheduler import Step

    recipe = building.folder.recipes[source.component]
    return Step(
        name=source.component,
        run=lambda results: (
            _blocked(source, results) or _built(building, source, workshop, _wheels_of(results))
        ),
        needs=() if is_pure(recipe) else tuple(recipe.needs),
        memory_mb=recipe.build.memory_mb if recipe.build else 0,
    )


def with_built(lock: Lock, results: Sequence[LockedSource | Pending]) -> Lock:
    """Return a lock with the wheels of its sources; what could not be built is pending in it."""
    pairs = list(zip(lock.sources, results, strict=True))
    unbuilt = {one.component: one for _, one in pairs if isinstance(one, Pending)}
    return replace(
        lock,
        sources=tuple(source if isinstance(one, Pending) else one for source, one in pairs),
        pending=(*(one for one in lock.pending if one.component not in unbuilt), *unbuilt.values()),
    )


def hold_to_lock(source: LockedSource, wheel: LockedFile) -> None:
    """Compare a wheel built now with the digest that the lock has of it, if any.

    Raises:
        BuiltDiffersError: They differ.
    """
    if source.wheel and source.wheel.sha256 != wheel.sha256:
        raise BuiltDiffersError(
            f"{wheel.filename} was built with sha256 {wheel.sha256}, the lock says {source.wheel.sha256}.",
            why="The build depends on something that the lock does not hold.",
            next_step=f"`invoke reproduce {source.component} {CELL}` names what differs",
        )


def _blocked(source: LockedSource, results: Mapping[str, LockedSource | Pending]) -> Pending | None:
    """Return why a build waits: one that it needs, as the kernels need torch_npu, is pending itself."""
    waiting = (one for one in results.values() if isinstance(one, Pending))
    if (cause := next(waiting, None)) is None:
        return None
    reason = f"needs {cause.component}, which is pending: {cause.reason}"
    return Pending(component=source.component, reason=reason, supply=cause.supply)


def _wheels_of(results: Mapping[str, LockedSource | Pending]) -> list[LockedFile]:
    """Return the wheels that a build needs and this run has built, torch_npu's for the kernels."""
    sources = [one for one in results.values() if isinstance(one, LockedSource)]
    return [one.wheel for one in sources if one.wheel is not None]


def _built(
    building: Building,
    source: LockedSource,
    workshop: Workshop,
    beside: Sequence[LockedFile],
) -> LockedSource | Pending:
    if is_built(building.fetcher.store, source):
        offer_built(building.fetcher.store, source)
        return source
    recipe = building.folder.recipes[source.component]
    wheel = build_one(building.source_builds(), recipe, source, workshop, beside)
    if isinstance(wheel, Pending):
        return wheel
    hold_to_lock(source, wheel)
    return source if source.wheel else replace(source, wheel=wheel)


def build_one(
    sources: SourceBuilds,
    recipe: Recipe,
    source: LockedSource,
    workshop: Workshop,
    beside: Sequence[LockedFile] = (),
) -> LockedFile | Pending:
    """Return the wheel of a locked source, built if need be, or why this host cannot build it.

    Args:
        sources: Brings what it starts from, once it is known that this host can build it.
        recipe: The component.
        source: Its locked source.
        workshop: Where and how it is built.
        beside: Wheels of the same lock that it needs.

    Raises:
        BuildError: The build failed.
        IntegrityError: A source has other bytes than the lock says.
    """
    from ascend_wheelhouse.build.command import unfit
    from ascend_wheelhouse.build.locked import build_locked

    if pending := unfit(recipe, sources.cell, workshop):
        return Pending(component=pending.component, reason=pending.reason, supply=pending.supply)
    starts = sources.sources(source, recipe, beside)
    return build_locked(source, recipe, sources.cell, starts, workshop)


def is_pure(recipe: Recipe) -> bool:
    """Tell whether a component's wheel holds no compiled code and needs nothing else that is built here."""
    return recipe.build is not None and recipe.build.pure


def lockable(lock: Lock, recipes: Recipes) -> tuple[LockedSource, ...]:
    """Return a lock's sources with those wheels alone whose digest the lock may keep.

    A compiled wheel gets its digest into the lock when `invoke reproduce` found it bit-equal, not before.
    """
    return tuple(one if is_pure(recipes[one.component]) else replace(one, wheel=None) for one in lock.sources)
