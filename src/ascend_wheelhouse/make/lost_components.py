"""A new lock that would lack what the one before it has of the same release is not written.

A tag that is gone, a server that is silent today and a file that another host imported leave a component pending: in a
first lock that is a warning, and in the place of a whole one a loss.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Sequence
from pathlib import Path

from ascend_wheelhouse.base.errors import IncompleteError, WheelhouseError
from ascend_wheelhouse.cells.cell import Cell
from ascend_wheelhouse.locks.lock import Lock, Pending
from ascend_wheelhouse.make.project_folder import ProjectFolder
from ascend_wheelhouse.make.source_wheels import is_pure


class ComponentLostError(IncompleteError):
    """A new lock would lack a component that the one before it has; that one is as it was."""


def hold_complete(new: Lock, asked: Collection[str], folder: ProjectFolder, cell: Cell) -> None:
    """Refuse a new lock that lacks what the one before it has; where that one cannot be read, nothing is lost.

    Args:
        new: The new lock, not written yet.
        asked: What is built from source on request.
        folder: Where the lock before it stands.
        cell: The cell of both.

    Raises:
        ComponentLostError: It lacks something of the same release.
    """
    try:
        before = folder.lock_before(cell)
    except WheelhouseError:
        return
    if before and (lost := _lost(before, new)):
        built = {one.component for one in before.sources if not is_pure(folder.recipes[one.component])}
        raise _error(new, lost, built - set(asked), folder.lock_folder(cell), cell)


def _error(
    new: Lock, lost: Sequence[Pending], on_request: Collection[str], own: Path, cell: Cell
) -> ComponentLostError:
    names = [one.component for one in lost]
    builds = "".join(f" --build {name}" for name in names if name in on_request)
    ways = [
        f"`invoke wheelhouse --upgrade {cell.words}{builds}` builds it again" if builds else "",
        "the same command where that can be had, or after `invoke vendor FILE` with a copy of it",
        f"to do without, `rm {shlex.quote(str(own))}/*.{new.platform}.*` first" if own.is_dir() else "",
    ]
    error = ComponentLostError(
        f"The new lock of {cell.name} would lack {', '.join(names)}, and the one before it is as it was.",
        why=" ".join(f"{one.component}: {one.reason}." for one in lost),
        next_step="; ".join(filter(None, ways)),
    )
    error.for_cell(cell.words)
    return error


def _lost(before: Lock, new: Lock) -> list[Pending]:
    """Return what a new lock lacks of the releases that the one before it has."""
    had = {one.component for rows in (before.wheels, before.sources, before.payloads) for one in rows}
    names = {one.component: one.component.replace("-", "_") for one in new.pending if one.component in had}
    same = {one for one, key in names.items() if before.cell.get(key) == new.cell.get(key)}
    return [one for one in new.pending if one.component in same]
