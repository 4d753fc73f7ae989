"""What can go wrong: an error of three parts and its exit code, for the tools on a node and for all that stands above.

A wheelhouse carries this folder alone, so the codes that a node can end with stand here; `base/errors.py` adds those
that only the host can end with, below the same base. The exit code belongs to the class directly below
`WheelhouseError`; narrower classes inherit it, so that a code stays unique and documented.
"""

from __future__ import annotations

from typing import ClassVar

CELL = "{cell}"
"""Stands in a text for the options that name a cell, where the code that raises the error does not know them."""
UNKNOWN_CELL = "--torch VERSION --platform PLATFORM"


class WheelhouseError(Exception):
    """Base of all errors shown to the user without a traceback.

    Args:
        what: What happened, one sentence that names the thing at fault.
        why: Why that is likely, or empty.
        next_step: The next command or edit, or empty.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, *, why: str = "", next_step: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.next_step = next_step

    def for_cell(self, words: str) -> None:
        """Put the options that name a cell into the commands that the texts propose."""
        self.what, self.why, self.next_step = (
            text.replace(CELL, words) for text in (self.what, self.why, self.next_step)
        )

    def __str__(self) -> str:
        parts = [self.what, self.why, f"Next: {self.next_step}" if self.next_step else ""]
        return "\n\n".join(part for part in parts if part).replace(CELL, UNKNOWN_CELL)

    def as_dict(self) -> dict[str, str | int]:
        """Return the error as the object that `--json` prints."""
        return {
            "error": type(self).__name__,
            "exit_code": self.exit_code,
            "what": self.what,
            "why": self.why,
            "next": self.next_step,
        }


class UsageError(WheelhouseError):
    """Bad usage, or a bad recipe or stack (exit 2)."""

    exit_code = 2


class IntegrityError(WheelhouseError):
    """A hash, a size or a signature does not match (exit 5)."""

    exit_code = 5


class VerifyError(WheelhouseError):
    """A probe or the server check failed (exit 9)."""

    exit_code = 9


class HostUnfitError(WheelhouseError):
    """This host cannot do what was asked: a tool, a right or a device is missing (exit 10)."""

    exit_code = 10


class UnexpectedError(WheelhouseError):
    """A fault of this tool itself: nothing that a user should cause (exit 70, `EX_SOFTWARE` of sysexits.h)."""

    exit_code = 70
