"""What became of the locks that `invoke watch --apply` was to make anew: some are kept, others could not be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ascend_wheelhouse.base.errors import WheelhouseError, gravest
from ascend_wheelhouse.locks.lock_diff import Change


@dataclass(frozen=True, kw_only=True)
class Applied:
    """A lock that was made anew.

    Args:
        lock: Its name, `FOLDER/PLATFORM`, as it was before.
        folder: The folder that it stands in now.
        changes: What moved.
        pending: Components that no origin gave.
        unstated: Releases that moved, of which nothing says whether they go with the cell's CANN, `NAME VERSION`.
    """

    lock: str
    folder: str
    changes: tuple[Change, ...]
    pending: tuple[str, ...]
    unstated: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class NotApplied:
    """Locks that are as they were, with their stack, since one of them could not be made anew.

    Args:
        locks: Their names.
        error: Why not.
    """

    locks: tuple[str, ...]
    error: WheelhouseError

    def as_dict(self) -> dict[str, Any]:
        """Return what `--json` prints of them."""
        return {"locks": self.locks, **self.error.as_dict()}


@dataclass(frozen=True, kw_only=True)
class ApplyOutcome:
    """What became of all of them."""

    applied: tuple[Applied, ...] = ()
    failed: tuple[NotApplied, ...] = ()

    @property
    def exit_code(self) -> int:
        """The gravest code of those that could not be made, 0 where none failed."""
        return gravest(one.error.exit_code for one in self.failed)

    def as_dict(self) -> Mapping[str, Any]:
        """Return what `--json` prints."""
        return {
            "applied": [asdict(one) for one in self.applied],
            "failed": [one.as_dict() for one in self.failed],
        }
