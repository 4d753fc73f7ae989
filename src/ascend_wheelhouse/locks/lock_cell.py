"""A committed lock, held to the cell that its stack describes now."""

from __future__ import annotations

from ascend_wheelhouse.base.errors import UsageError
from ascend_wheelhouse.cells.cell import Cell
from ascend_wheelhouse.locks.lock import Lock


class StaleLockError(UsageError):
    """A committed lock was made for another cell than the stack file now describes."""


def require_cell(lock: Lock, cell: Cell) -> Lock:
    """Return the lock when it was made for the cell.

    Raises:
        StaleLockError: It was not; the text names what differs.
    """
    wanted = cell.as_manifest()
    if lock.cell != wanted:
        changed = sorted(key for key in wanted | lock.cell if wanted.get(key) != lock.cell.get(key))
        raise StaleLockError(
            f"The lock of {cell.name} was made for another cell: {', '.join(changed)} differ.",
            why="The stack file was changed after the lock was made.",
            next_step=f"invoke lock --upgrade {cell.words}",
        )
    return lock
