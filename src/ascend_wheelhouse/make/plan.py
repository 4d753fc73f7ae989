"""What a run would do, step by step, with the reason for each: pure, from a cell, its lock and the store.

Nothing is asked of the network: without a committed lock the plan ends at `resolve`.
"""

from __future__ import annotations

from collections.abc import Callable
from graphlib import TopologicalSorter

from ascend_wheelhouse.cells.cell import Cell
from ascend_wheelhouse.console.plan_view import PlanRow
from ascend_wheelhouse.console.tree_view import TreeRow
from ascend_wheelhouse.locks.lock import Lock, LockedPayload, LockedSource, Pending
from ascend_wheelhouse.locks.pylock import LockedFile

Has = Callable[[str], bool]
Given = Callable[[str], str]
Kept = Callable[[str], tuple[TreeRow, ...]]


def _nothing(_component: str) -> str:
    return ""


def _no_tree(_component: str) -> tuple[TreeRow, ...]:
    return ()


def plan(
    cell: Cell,
    lock: Lock | None,
    has: Has,
    given: Given = _nothing,
    *,
    kept: Kept = _no_tree,
    finished: bool = False,
) -> list[PlanRow]:
    """Return the steps in an order in which they can be done.

    Args:
        cell: The cell.
        lock: The committed lock, or None.
        has: Tells whether the store holds a digest.
        given: Returns the name of the file that was imported for a pending component, or an empty text.
        kept: Returns the kept trees of a component that has to be built.
        finished: Whether the finished wheelhouse is there already.
    """
    if lock is None:
        return _without_lock(cell)
    steps = [_fetch(wheel, has) for wheel in lock.wheels]
    steps += [_fetch_payload(payload, has) for payload in lock.payloads]
    for source in lock.sources:
        steps += _build(source, has, kept)
    steps += [_supply(item, given(item.component)) for item in lock.pending]
    steps.append(_assemble(cell, steps, finished=finished))
    return _ordered(steps)


def _without_lock(cell: Cell) -> list[PlanRow]:
    locate = [
        PlanRow(
            step=f"locate {name}", component=name, state="fetch", reason=f"{version}, by its recipe's origins"
        )
        for name, version in cell.components.items()
    ]
    before = tuple(row.step for row in locate)
    resolve = PlanRow(
        step="resolve",
        component="",
        state="build",
        reason="no lock is committed for this cell",
        depends_on=before,
    )
    return [*locate, resolve]


def _from(file: LockedFile | LockedPayload) -> str:
    if file.origin != "vendored":
        return f"{file.filename} from {file.origin}"
    return f"{file.filename} was imported where the lock was made, and is not here: `invoke vendor FILE`"


def _fetch(wheel: LockedFile, has: Has) -> PlanRow:
    cached = has(wheel.sha256)
    return PlanRow(
        step=f"fetch {wheel.name}",
        component=wheel.component or "",
        state="cached" if cached else "fetch",
        reason=f"{wheel.filename} is in the store" if cached else _from(wheel),
        size=wheel.size,
    )


def _fetch_payload(payload: LockedPayload, has: Has) -> PlanRow:
    cached = has(payload.sha256)
    return PlanRow(
        step=f"fetch {payload.component}",
        component=payload.component,
        state="cached" if cached else "fetch",
        reason=f"{payload.filename} is in the store" if cached else _from(payload),
        size=payload.size,
    )


def _supply(item: Pending, imported: str) -> PlanRow:
    return PlanRow(
        step=f"supply {item.component}",
        component=item.component,
        state="cached" if imported else "pending",
        reason=f"{imported} was imported" if imported else item.supply,
    )


def _build(source: LockedSource, has: Has, kept: Kept) -> list[PlanRow]:
    done = source.wheel is not None and has(source.wheel.sha256)
    files = [source.archive] if source.archive else []
    files += [file.artifact for file in source.environment]
    fetches = [
        PlanRow(
            step=f"fetch {file.filename} for {source.component}",
            component=source.component,
            state="cached" if has(file.sha256) else "fetch",
            reason="in the store" if has(file.sha256) else "source or build environment",
            size=file.size,
        )
        for file in files
    ]
    build = PlanRow(
        step=f"build {source.component}",
        component=source.component,
        state="cached" if done else "build",
        reason="built before from the same source"
        if done
        else f"from {source.archive.filename if source.archive else source.commit[:12]}",
        depends_on=tuple(row.step for row in fetches),
        trees=() if done else kept(source.component),
    )
    return [*fetches, build]


def _assemble(cell: Cell, steps: list[PlanRow], *, finished: bool) -> PlanRow:
    ready = all(row.state in {"cached", "pending"} for row in steps) and finished
    return PlanRow(
        step="assemble",
        component="",
        state="cached" if ready else "build",
        reason=f"{cell.name} is finished" if ready else f"writes {cell.name}",
        depends_on=tuple(row.step for row in steps if row.state != "pending"),
    )


def _ordered(steps: list[PlanRow]) -> list[PlanRow]:
    by_name = {row.step: row for row in steps}
    order = TopologicalSorter({row.step: row.depends_on for row in steps}).static_order()
    return [by_name[name] for name in order]
