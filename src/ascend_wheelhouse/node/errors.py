"""What can go wrong on a node: the same three-part texts and exit codes as the rest, without importing it.

A wheelhouse carries this folder alone, so the classes repeat `ascend_wheelhouse.base.errors` for the codes that a
node can end with; a test holds the two lists together.
"""

from __future__ import annotations

from typing import ClassVar


class NodeError(Exception):
    """Base of all errors that the tools on a node show without a traceback.

    Args:
        what: What happened, one sentence that names the thing at fault.
        why: Why that is likely, or empty.
        next_step: The next command, or empty.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, *, why: str = "", next_step: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.next_step = next_step

    def __str__(self) -> str:
        parts = [self.what, self.why, f"Next: {self.next_step}" if self.next_step else ""]
        return "\n\n".join(part for part in parts if part)

    def as_dict(self) -> dict[str, str | int]:
        """Return the error as the object that `--json` prints."""
        return {
            "error": type(self).__name__,
            "exit_code": self.exit_code,
            "what": self.what,
            "why": self.why,
            "next": self.next_step,
        }


class UsageError(NodeError):
    """Bad usage (exit 2)."""

    exit_code = 2


class IntegrityError(NodeError):
    """A hash, a size or a signature does not match (exit 5)."""

    exit_code = 5


class VerifyError(NodeError):
    """A probe or the server check failed (exit 9)."""

    exit_code = 9


class HostUnfitError(NodeError):
    """This host cannot do what was asked: a tool, a right or a device is missing (exit 10)."""

    exit_code = 10


class FaultError(NodeError):
    """A fault of the installer itself (exit 70)."""

    exit_code = 70
