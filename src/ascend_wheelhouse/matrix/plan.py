"""What a matrix would do, cell by cell: nothing is asked of the network, and nothing is written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ascend_wheelhouse import console
from ascend_wheelhouse.base.errors import WheelhouseError
from ascend_wheelhouse.console import words as forms
from ascend_wheelhouse.locks.lock import Lock
from ascend_wheelhouse.make.fetcher import downloads_of
from ascend_wheelhouse.make.relock import hold_to_recipes
from ascend_wheelhouse.make.source_files import downloads_for, is_built
from ascend_wheelhouse.matrix.cells import MatrixCell
from ascend_wheelhouse.matrix.make_cell import CellTools, standing
from ascend_wheelhouse.matrix.orders import CellOrder
from ascend_wheelhouse.node import documents
from ascend_wheelhouse.node.reading import contents
from ascend_wheelhouse.pin.supply import imported


@dataclass(frozen=True, kw_only=True)
class CellPlan:
    """What one cell would do.

    Args:
        number: Its place in the matrix, counted from 1.
        name: Its wheelhouse, or its options where an index must be asked first.
        words: The options that name it.
        finished: Whether its wheelhouse stands, and nothing that it was made from has changed.
        lock: `committed`, `new` where one must be made, or `unusable`.
        fetch_files: Files to fetch that no cell before it fetches.
        fetch_size: Their bytes.
        shared_files: Files that it needs, too, and a cell before it fetches.
        shared_size: Their bytes.
        build: Components to build that no cell before it builds.
        pending: Components that no origin had when the lock was made, and that nobody imported since.
        then: What is done with the finished wheelhouse: `verify`, `bundle`; not what a pending component forbids.
        note: Why nothing more is known, where that is so.
    """

    number: int
    name: str
    words: str
    finished: bool = False
    lock: str = "new"
    fetch_files: int = 0
    fetch_size: int = 0
    shared_files: int = 0
    shared_size: int = 0
    build: tuple[str, ...] = ()
    pending: tuple[str, ...] = ()
    then: tuple[str, ...] = ()
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return what `--json` prints."""
        return asdict(self)


@dataclass(frozen=True)
class _Before:
    """What the cells before fetch and build."""

    fetched: set[str] = field(default_factory=set)
    built: set[str] = field(default_factory=set)


def plans_of(cells: Sequence[MatrixCell], orders: Sequence[CellOrder], tools: CellTools) -> list[CellPlan]:
    """Return what each cell would do, in the matrix's order; what several need is counted with the first."""
    return list(_plans(cells, orders, tools))


def _plans(cells: Sequence[MatrixCell], orders: Sequence[CellOrder], tools: CellTools) -> Iterator[CellPlan]:
    before = _Before()
    for one, order in zip(cells, orders, strict=True):
        plan = CellPlan(number=order.number, name=one.name, words=one.words, then=order.then)
        if folder := standing(order, tools):
            lacking = _lacking(folder)
            told = {"finished": True, "lock": "committed", "pending": lacking}
            yield CellPlan(**{**vars(plan), **told, "then": order.then_without(lacking)})
            continue
        if one.cell is None:
            yield CellPlan(
                **{**vars(plan), "note": "no stack lists it: an index is asked for versions first"}
            )
            continue
        try:
            lock = None if order.make.lock.upgrade else tools.folder.committed_lock(one.cell)
            if lock is not None:
                hold_to_recipes(lock, tools.folder, one.cell)
        except WheelhouseError as error:
            yield CellPlan(**{**vars(plan), "lock": "unusable", "note": error.what})
            continue
        if lock is None:
            yield CellPlan(**{**vars(plan), "note": "files are known when the lock is made"})
            continue
        made = _planned(plan, one, lock, tools, before)
        yield CellPlan(**{**vars(made), "then": order.then_without(made.pending)})


def _lacking(folder: Path) -> tuple[str, ...]:
    """Return the components that a finished wheelhouse lacks; none where it cannot be read, which a run tells."""
    try:
        document: dict[str, Any] = documents.read_file(folder / contents.NAME, contents.WHOLE)
    except (OSError, documents.UnsoundError):
        return ()
    return tuple(item["component"] for item in document.get("pending", ()))


def _planned(plan: CellPlan, one: MatrixCell, lock: Lock, tools: CellTools, before: _Before) -> CellPlan:
    store = tools.store
    needed = {
        str(file.sha256): file.size or 0
        for file in (*downloads_of(lock), *downloads_for(store, lock))
        if file.sha256 and not store.has(file.sha256, file.size)
    }
    new = {sha256: size for sha256, size in needed.items() if sha256 not in before.fetched}
    build = {
        source.component: f"{source.component} {source.archive or source.commit}"
        for source in lock.sources
        if not is_built(store, source)
    }
    mine = tuple(name for name, key in build.items() if key not in before.built)
    before.fetched.update(needed)
    before.built.update(build.values())
    given = imported(store)
    pending = (item.component for item in lock.pending)
    return CellPlan(
        number=plan.number,
        name=plan.name,
        words=plan.words,
        lock="committed",
        fetch_files=len(new),
        fetch_size=sum(new.values()),
        shared_files=len(needed) - len(new),
        shared_size=sum(needed.values()) - sum(new.values()),
        build=mine,
        pending=tuple(name for name in pending if one.cell and not given(name, one.cell)),
    )


def show(rows: Sequence[CellPlan]) -> None:
    """Print what each cell would do, and what all of them would fetch."""
    console.records(
        ["cell", "name", "lock", "fetch", "build", "pending", "then", "note"],
        [
            [
                str(row.number),
                row.name,
                row.lock,
                _fetch(row),
                ", ".join(row.build),
                ", ".join(row.pending),
                ", ".join(row.then),
                _note(row),
            ]
            for row in rows
        ],
    )
    files = sum(row.fetch_files for row in rows)
    size = forms.size(sum(row.fetch_size for row in rows))
    console.line(f"\n{forms.counted(len(rows), 'cell')}; to fetch: {forms.counted(files, 'file')}, {size}")


def _note(row: CellPlan) -> str:
    if not row.finished:
        return row.note
    return "its wheelhouse is finished" if row.then else "finished, nothing to do"


def _fetch(row: CellPlan) -> str:
    told = []
    if row.fetch_files:
        told.append(f"{forms.counted(row.fetch_files, 'file')}, {forms.size(row.fetch_size)}")
    if row.shared_files:
        told.append(f"{forms.size(row.shared_size)} come with a cell above")
    return "; ".join(told)
