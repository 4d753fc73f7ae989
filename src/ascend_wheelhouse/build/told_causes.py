"""What the log of a failed step says of its cause: the lines that tell, memory or a disk that ran out, a refusal."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ascend_wheelhouse.base import full_disk

_TELLING = re.compile(
    r"\berror\b|fatal|undefined reference|No such file|Traceback|Could not|"
    r"\bKilled\b|bad_alloc|MemoryError|out of memory|No space left|quota exceeded",
    re.IGNORECASE,
)
_MEMORY = re.compile(
    r"\bKilled\b|std::bad_alloc|virtual memory exhausted|Cannot allocate memory|\bout of memory\b|^MemoryError"
)
_COMPILER = re.compile(r":\d+(?::\d+)?: error: |: undefined reference to ")
_TOLD_LINES = 12
_KILLED = {137, -9}


def telling_lines(lines: Sequence[str]) -> list[str]:
    """Return the few lines of a log that tell what went wrong: those that name an error, else the last."""
    telling = [line for line in lines if _TELLING.search(line)]
    return (telling or list(lines))[-_TOLD_LINES:]


def lacked_memory(told: Sequence[str], status: int) -> bool:
    """Tell whether a step was killed, or a program in it, or got no memory.

    Args:
        told: The lines that tell what went wrong.
        status: What the step ended with.
    """
    return status in _KILLED or any(_MEMORY.search(line) for line in told)


def filled_disk(told: Sequence[str]) -> bool:
    """Tell whether a program of a step found its disk full."""
    return full_disk.told_by("", "\n".join(told)) is not None


def compiler_refused(told: Sequence[str]) -> bool:
    """Tell whether a compiler or linker refused the source: no download would have changed that."""
    return any(_COMPILER.search(line) for line in told)
