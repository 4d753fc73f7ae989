"""Figures and marks for people: bytes, seconds, widths, and which marks a stream's encoding can carry."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TextIO

from ascend_wheelhouse.base import counting
from ascend_wheelhouse.base.events import Outcome
from ascend_wheelhouse.base.started import as_started
from ascend_wheelhouse.node.plain import plain

_STEP = 1000
_LINE_BREAKS = re.compile(r"[\t\n\r]")
_MINUTE = 60
_HOUR = 3600
_DAY, _DAYS_FROM = 24, 48
"""Hours of a day, and from how many on a time is told in days."""
_TENTHS_BELOW = 10

counted, be = counting.counted, counting.be


@dataclass(frozen=True, kw_only=True)
class Marks:
    """The few characters beyond letters that the output uses."""

    outcomes: dict[Outcome, str]
    dot: str
    ellipsis: str
    spinner: str
    bar: tuple[str, str]


_UNICODE = Marks(
    outcomes={"done": "✓", "cached": "=", "failed": "✗", "pending": "?", "skipped": "-"},
    dot="·",
    ellipsis="…",
    spinner="⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏",
    bar=("━", "─"),
)
_ASCII = Marks(
    outcomes={"done": "+", "cached": "=", "failed": "x", "pending": "?", "skipped": "-"},
    dot="|",
    ellipsis="..",
    spinner="|/-\\",
    bar=("#", "-"),
)


def marks_for(stream: TextIO) -> Marks:
    """Return the marks that the stream's encoding can carry; ASCII ones where it lacks the others."""
    try:
        f"{_UNICODE.dot}{_UNICODE.ellipsis}{_UNICODE.spinner}✓✗".encode(stream.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return _ASCII
    return _UNICODE


def coloured(stream: TextIO) -> bool:
    """Tell whether a stream takes colours and bold letters: a terminal that knows them, and nobody said no."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM", "dumb") != "dumb"


def size(count: int | None) -> str:
    """Return bytes in decimal units, as pip shows them: `97.4 MB`; empty for None."""
    if count is None:
        return ""
    value = float(count)
    for unit in ("B", "kB", "MB"):
        if value < _STEP:
            return f"{value:.0f} {unit}" if unit != "MB" else f"{value:.1f} {unit}"
        value /= _STEP
    return f"{value:.2f} GB"


def installer(digest: str) -> str:
    """Return what a person does with the sha256 of `install.py`; without one it is not the whole installer."""
    if not digest:
        return "install.py: not one file in this wheelhouse, so that no digest stands for it"
    return f"install.py: sha256 {digest} (write it down, and compare it on the node)"


def portion(done: int, total: int | None) -> str:
    """Return how far a job is, `45.2/97.4 MB`, with the unit once; empty when neither is known."""
    if not total:
        return size(done) if done else ""
    whole = size(total)
    part = size(done)
    unit = whole.rpartition(" ")[2]
    return f"{part.removesuffix(f' {unit}')}/{whole}"


def seconds(value: float) -> str:
    """Return a duration: `0.4 s`, `12 s`, `3:05`, `1:02:03`."""
    if value < _TENTHS_BELOW:
        return f"{max(value, 0):.1f} s"
    whole = round(value)
    if whole < _MINUTE:
        return f"{whole} s"
    minutes, rest = divmod(whole, _MINUTE)
    if whole < _HOUR:
        return f"{minutes}:{rest:02}"
    return f"{minutes // _MINUTE}:{minutes % _MINUTE:02}:{rest:02}"


def age(value: float) -> str:
    """Return how long ago something was, in whole units: `5 minutes`, `3 hours`, `12 days`."""
    minutes = max(round(value / _MINUTE), 1)
    if minutes < _MINUTE:
        return counted(minutes, "minute")
    hours = round(value / _HOUR)
    return counted(hours, "hour") if hours < _DAYS_FROM else counted(round(hours / _DAY), "day")


def clean(text: str, stream: TextIO) -> str:
    """Return text fit for one line of the stream: no escape sequences, nothing that its encoding lacks."""
    return shown(_LINE_BREAKS.sub(" ", text).strip(), stream)


def listed(names: Iterable[str], most: int) -> str:
    """Return names separated by commas, and how many more there are beyond the most that are shown."""
    every = list(names)
    more = f" and {len(every) - most} more" if len(every) > most else ""
    return ", ".join(every[:most]) + more


def shown(text: str, stream: TextIO) -> str:
    """Return text as a person reads it on the stream: commands as typed here, and nothing that it cannot carry."""
    told = as_started(plain(text))
    encoding = stream.encoding  # none where it goes to no file
    return told.encode(encoding, "replace").decode(encoding, "replace") if encoding else told


def clip(text: str, width: int, marks: Marks) -> str:
    """Return text of at most `width` characters, cut in the middle so that both ends of a file name show."""
    if len(text) <= width:
        return text
    space = width - len(marks.ellipsis)
    if space < len(marks.ellipsis):
        return text[: max(width, 0)]
    tail = space // 3
    return f"{text[: space - tail]}{marks.ellipsis}{text[len(text) - tail :]}"
