"""What stands of a matrix after a run: each cell's row, and what its files have in common with the others'."""

from __future__ import annotations

import shlex
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from ascend_wheelhouse.base.errors import IncompleteError, IntegrityError, gravest
from ascend_wheelhouse.matrix.cell_bundle import CellBundle
from ascend_wheelhouse.matrix.orders import CellEnd
from ascend_wheelhouse.matrix.verified import UnreadReport, Verification, reports_below, verification
from ascend_wheelhouse.node import documents
from ascend_wheelhouse.node.reading import contents
from ascend_wheelhouse.node.verify.report import Report

State = Literal["complete", "incomplete", "failed"]


@dataclass(frozen=True, kw_only=True)
class PendingComponent:
    """A component that a cell lacks: why, from where it would come, and how it is supplied."""

    component: str
    why: str
    supply: str
    urls: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Share:
    """Files and bytes of a cell: all, and those that no other cell of the matrix has."""

    files: int = 0
    size: int = 0
    own_files: int = 0
    own_size: int = 0

    @property
    def shared_files(self) -> int:
        """Files that another cell has as well."""
        return self.files - self.own_files

    @property
    def shared_size(self) -> int:
        """Bytes that another cell has as well."""
        return self.size - self.own_size


@dataclass(frozen=True, kw_only=True)
class CellRow:
    """One cell as it stands.

    Args:
        number: Its place in the matrix, counted from 1.
        name: Its wheelhouse, or its options where there is none.
        words: The options that name it.
        state: `complete`, `incomplete` (something is pending), or `failed`.
        made: Whether this run made it, or it stood there already.
        folder: Its wheelhouse; None where there is none.
        derived: Whether no stack lists it.
        pending: What it lacks.
        audit: How many findings of each severity the audit had; None where none is known.
        verify: What is known of its verification.
        share: Its files and bytes.
        bundle: Its bundle; None where none was written.
        error: What failed, as `--json` prints errors; None where nothing did.
        step: In which step it failed.
    """

    number: int
    name: str
    words: str
    state: State
    made: bool = False
    folder: str | None = None
    derived: bool = False
    pending: tuple[PendingComponent, ...] = ()
    audit: Mapping[str, int] | None = None
    verify: Verification = field(default_factory=Verification)
    share: Share = field(default_factory=Share)
    bundle: CellBundle | None = None
    error: Mapping[str, Any] | None = None
    step: str | None = None

    @property
    def exit_code(self) -> int:
        """The code of its error, 0 without one."""
        return int(self.error["exit_code"]) if self.error else 0


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A whole matrix as it stands.

    Args:
        rows: Its cells, in the matrix's order.
        size: Bytes of all cells, each counted by itself.
        distinct: Bytes of all cells, what they have in common counted once.
        unread: Reports of verifications that say nothing, since they could not be read.
    """

    rows: tuple[CellRow, ...]
    size: int = 0
    distinct: int = 0
    unread: tuple[UnreadReport, ...] = ()

    @property
    def exit_code(self) -> int:
        """The gravest code of any cell, 0 where none failed."""
        return gravest(row.exit_code for row in self.rows)

    def count(self, state: State) -> int:
        """Return how many cells are in a state."""
        return sum(row.state == state for row in self.rows)


def standing_of(ends: Sequence[CellEnd], reports: Path, *, strict: bool) -> Standing:
    """Return what stands after a run.

    Args:
        ends: What became of each cell.
        reports: Folder with the reports of verifications, at any depth.
        strict: A pending component is an error.
    """
    known = reports_below(reports)
    manifests = {end.order.number: _manifest(end.folder) for end in ends if end.folder}
    sizes, holders = _holders(manifests)
    rows = []
    for end in ends:
        document = manifests.get(end.order.number)
        row = _without_wheelhouse(end)
        if isinstance(document, Mapping) and end.folder:
            share = _share(end.order.number, document, holders)
            row = _row(end, document, share, _verification(end, end.folder, known.reports), strict=strict)
        elif isinstance(document, IntegrityError):
            row = CellRow(**{**vars(row), "error": document.as_dict(), "step": "make"})
        rows.append(row)
    return Standing(
        rows=tuple(rows),
        size=sum(row.share.size for row in rows),
        distinct=sum(sizes.values()),
        unread=known.unread,
    )


def _verification(end: CellEnd, folder: Path, known: Iterable[tuple[Path, Report]]) -> Verification:
    return replace(verification(folder, known), why=end.unverified)


def _without_wheelhouse(end: CellEnd) -> CellRow:
    order = end.order
    return CellRow(
        number=order.number,
        name=order.name,
        words=order.words,
        state="failed",
        error=end.error,
        step=end.step,
    )


def _row(
    end: CellEnd, document: Mapping[str, Any], share: Share, verify: Verification, *, strict: bool
) -> CellRow:
    pending = tuple(
        PendingComponent(
            component=one["component"],
            why=one["reason"],
            supply=one["supply"],
            urls=tuple(one.get("urls", ())),
        )
        for one in document.get("pending", ())
    )
    error: Mapping[str, Any] | None = end.error
    step: str | None = end.step
    if strict and pending and error is None:
        error, step = _lacks(end, pending).as_dict(), "strict"
    return CellRow(
        number=end.order.number,
        name=end.folder.name if end.folder else end.order.name,
        words=end.order.words,
        state="incomplete" if pending else "complete",
        made=end.made,
        folder=str(end.folder),
        derived=bool(document.get("derived")),
        pending=pending,
        audit=end.audit,
        verify=verify,
        share=share,
        bundle=end.bundle,
        error=error,
        step=step,
    )


def _lacks(end: CellEnd, pending: Iterable[PendingComponent]) -> IncompleteError:
    name = end.folder.name if end.folder else end.order.name
    return IncompleteError(
        f"{name} lacks {', '.join(one.component for one in pending)}.",
        why="--strict, or CI in the environment, makes a pending component an error.",
        next_step="supply them as the report says, or leave --strict away; where CI is set, put `CI=` before it",
    )


def _manifest(folder: Path) -> Mapping[str, Any] | IntegrityError:
    """Return what a wheelhouse says of itself, or why that cannot be read: somebody changed it just now."""
    try:
        document: dict[str, Any] = documents.read_file(folder / contents.NAME, contents.WHOLE)
    except (OSError, documents.UnsoundError) as error:
        return IntegrityError(
            f"{folder / contents.NAME} cannot be read: {error}.",
            why="It was changed after the wheelhouse was finished.",
            next_step=f"rm -r {shlex.quote(str(folder))}, then the same command again: it is laid out from the store",
        )
    return document


def _holders(
    manifests: Mapping[int, Mapping[str, Any] | IntegrityError],
) -> tuple[dict[str, int], dict[str, set[int]]]:
    """Return the size of each file by its digest, and the cells that have it."""
    sizes: dict[str, int] = {}
    holders: defaultdict[str, set[int]] = defaultdict(set)
    for number, document in manifests.items():
        if isinstance(document, Mapping):
            for file in document["files"]:
                sizes[file["sha256"]] = file["size"]
                holders[file["sha256"]].add(number)
    return sizes, holders


def _share(number: int, document: Mapping[str, Any], holders: Mapping[str, set[int]]) -> Share:
    files = document["files"]
    own = [file for file in files if holders[file["sha256"]] == {number}]
    return Share(
        files=len(files),
        size=sum(file["size"] for file in files),
        own_files=len(own),
        own_size=sum(file["size"] for file in own),
    )
