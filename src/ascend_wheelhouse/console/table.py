"""Closing tables: aligned text, fitted to the window, or to 80 columns in a pipe."""

from __future__ import annotations

import re
import shutil
import sys
import textwrap
import unicodedata
from collections.abc import Sequence
from itertools import zip_longest
from typing import TextIO

from ascend_wheelhouse.console.words import coloured, shown

_GAP = 2
_COLUMN_LEAST = 8
_PARAGRAPH_LEAST = 48
_PIPE_WIDTH = 80
_COMMAND = re.compile("`[^`]*`")
_HARD_SPACE = "\0"
_SECOND_CELL = "\1"
"""Stands behind a letter that takes two cells of a terminal while text is measured; no text that is shown holds it."""


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, stream: TextIO | None = None) -> None:
    """Print rows under their headings.

    The last column is folded to fit, and where that is not enough the widest of the others; rows that would be torn
    to pieces, or a file name or `command` in them, are shown as one paragraph each instead.

    Args:
        columns: The headings.
        rows: As many cells a row as there are headings.
        stream: Where to; standard output when None.
    """
    out = sys.stdout if stream is None else stream
    text = layout(columns, [[shown(cell, out) for cell in row] for row in rows], width=window(out))
    if coloured(out):
        head, rule, rest = text.partition("\n")
        text = f"\x1b[1m{head}\x1b[0m{rule}{rest}"
    out.write(f"{text}\n")


def records(columns: Sequence[str], rows: Sequence[Sequence[str]], *, stream: TextIO | None = None) -> None:
    """Print each row as a heading, its first cell, and a labelled paragraph for each other cell that holds something.

    Paragraphs are folded to the window, or to 80 characters in a pipe; URLs, file names and
    `commands` stay whole.

    Args:
        columns: What the cells are.
        rows: As many cells a row as there are columns.
        stream: Where to; standard output when None.
    """
    out = sys.stdout if stream is None else stream
    for row in rows:
        cells = [shown(cell, out) for cell in row]
        out.write("\n".join(_record(columns, cells, window(out))) + "\n")


def window(out: TextIO) -> int:
    """Return how many characters a line of a stream may have: those of its window, or 80 in a pipe."""
    return shutil.get_terminal_size().columns if out.isatty() else _PIPE_WIDTH


def layout(columns: Sequence[str], rows: Sequence[Sequence[str]], *, width: int) -> str:
    """Return the table as text, folded to `width` characters."""
    grid = [[_measured(cell) for cell in row] for row in (columns, *rows)]
    natural = [max(len(cell) for cell in column) for column in zip(*grid, strict=True)]
    least = [max(map(_longest, column)) for column in zip(*grid, strict=True)]
    fitted = _fit(natural, width)
    if any(now * 2 < wanted or now < word for now, wanted, word in zip(fitted, natural, least, strict=True)):
        return "\n".join(line for row in rows for line in _record(columns, row, width))
    return "\n".join(line for row in grid for line in _fold(row, fitted)).replace(_SECOND_CELL, "")


def _measured(text: str) -> str:
    """Return text that is as long as it is wide: wide and fullwidth letters (UAX #11) take two cells."""
    if text.isascii():
        return text
    return "".join(
        letter + _SECOND_CELL * (unicodedata.east_asian_width(letter) in {"W", "F"}) for letter in text
    )


def _longest(cell: str) -> int:
    return max(map(len, _hardened(cell).split()), default=0)


def _hardened(text: str) -> str:
    return _COMMAND.sub(lambda found: found[0].replace(" ", _HARD_SPACE), text)


def _record(columns: Sequence[str], row: Sequence[str], width: int) -> list[str]:
    """One row as a heading and a labelled cell a paragraph; file names and `commands` stay whole, to be copied."""
    label = max(len(column) for column in columns[1:]) + 2 * _GAP
    beside = width - label >= _PARAGRAPH_LEAST
    lines = [row[0]]
    for column, cell in zip(columns[1:], row[1:], strict=True):
        if not cell:
            continue
        lead = f"{' ' * _GAP}{column}"
        indent = " " * (label if beside else 2 * _GAP)
        paragraph = textwrap.wrap(
            _hardened(_measured(cell)),
            max(width, len(indent) + _COLUMN_LEAST),
            initial_indent=lead.ljust(label) if beside else indent,
            subsequent_indent=indent,
            break_on_hyphens=False,
            break_long_words=False,
        )
        lines += paragraph if beside else [f"{lead}:", *paragraph]
    return [line.replace(_HARD_SPACE, " ").replace(_SECOND_CELL, "") for line in lines]


def _fit(widths: Sequence[int], width: int) -> list[int]:
    fitted = list(widths)
    while (over := sum(fitted) + _GAP * (len(fitted) - 1) - width) > 0:
        last = len(fitted) - 1
        if fitted[last] > 2 * _COLUMN_LEAST or len(fitted) == 1:
            index, floor = last, 2 * _COLUMN_LEAST
        else:
            index = max(range(len(fitted)), key=fitted.__getitem__)
            floor = _COLUMN_LEAST
        if fitted[index] <= floor:
            break
        fitted[index] = max(fitted[index] - over, floor) if index == last else fitted[index] - 1
    return fitted


def _fold(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    cells = [_wrap(cell, width) for cell, width in zip(row, widths, strict=True)]
    return [
        (" " * _GAP).join(part.ljust(width) for part, width in zip(parts, widths, strict=True)).rstrip()
        for parts in zip_longest(*cells, fillvalue="")
    ]


def _wrap(cell: str, width: int) -> list[str]:
    if len(cell) <= width:
        return [cell]
    lines = textwrap.wrap(_hardened(cell), max(width, 1), break_on_hyphens=False)
    return [line.replace(_HARD_SPACE, " ") for line in lines] or [""]
