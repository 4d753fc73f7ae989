"""A changed lock in the place of the one that it was made from, unless another run changed that meanwhile."""

from __future__ import annotations

from ascend_wheelhouse.base import whole_file
from ascend_wheelhouse.base.events import Emit, Note
from ascend_wheelhouse.cells.cell import Cell
from ascend_wheelhouse.locks.lock import Lock, files, load_held
from ascend_wheelhouse.make.project_folder import ProjectFolder


def replaced(before: Lock, new: Lock, folder: ProjectFolder, cell: Cell, emit: Emit) -> Lock | None:
    """Write a lock that was made from another one, all of its files or none.

    Args:
        before: The lock that was read.
        new: What was made of it.
        folder: Where it stands.
        cell: Its cell.
        emit: Told where another run was quicker.

    Returns:
        None where it was written; else the lock that another run wrote meanwhile, of which nothing was overwritten.
    """
    place = folder.lock_folder(cell)
    place.mkdir(parents=True, exist_ok=True)
    with whole_file.writing(place):
        there = load_held(place, cell.target.machine)
        if there is None or there == before:
            texts = {name: text.encode() for name, text in files(new, cell.target).items()}
            whole_file.put_set(place, cell.target.machine, texts)
            return None
    text = f"the lock of {cell.name} was changed meanwhile by another run: what that wrote is kept, and gone on from"
    emit(Note(text=text, level="warning"))
    return folder.committed_lock(cell)
