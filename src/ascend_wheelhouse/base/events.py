"""What the core says while it works: semantic events, with no colour and no layout.

The core calls an `Emit`; `console.py` alone decides whether an event becomes a live board, a plain line or
JSON. Sizes are bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Outcome = Literal["done", "cached", "failed", "pending", "skipped"]


@dataclass(frozen=True, kw_only=True)
class JobStarted:
    """A job began; `total` is its size in bytes where that is known."""

    job: str
    action: str
    total: int | None = None


@dataclass(frozen=True, kw_only=True)
class JobProgress:
    """A job moved; `done` is bytes so far, `line` the last thing that it said, `left` the seconds that it takes yet.

    `moved` is False where the bytes were here before, such as what an earlier run left of a download: no rate counts
    them.
    """

    job: str
    done: int | None = None
    line: str = ""
    left: float | None = None
    moved: bool = True


@dataclass(frozen=True, kw_only=True)
class JobFinished:
    """A job ended."""

    job: str
    outcome: Outcome
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A new stage of the run, such as `resolve` or `fetch`: how many jobs it holds and their bytes."""

    name: str
    jobs: int | None = None
    total: int | None = None


@dataclass(frozen=True, kw_only=True)
class Note:
    """One sentence for the user."""

    text: str
    level: Literal["info", "warning"] = "info"


@dataclass(frozen=True, kw_only=True)
class Worked:
    """Work that is over and is no job: from when to when, in seconds of `timed.now`. No output shows it by itself."""

    kind: str
    name: str
    began: float
    ended: float


Event = JobStarted | JobProgress | JobFinished | Stage | Note | Worked
Emit = Callable[[Event], None]


def silent(_event: Event) -> None:
    """Drop the event: for callers that do not report."""
