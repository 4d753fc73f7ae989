"""Draws a recorded session (asciinema's cast, version 2) as an SVG that plays it: `python draw.py NAME.cast NAME.svg`.

pyte plays the cast as a terminal would. Each screen that stands long enough to be seen is a frame. The frames lie side
by side as on a film, and one animation moves the film. Rows that return are drawn once. Equal casts give equal bytes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape

import pyte

SHORTEST = 0.12
"""Seconds that a screen stands at least; what is overwritten sooner is not seen."""
CELL, LINE, EDGE, BAR = 7.8, 17, 14, 30
COLOURS = {
    "default": "#d0d7de",
    "black": "#6e7681",
    "red": "#ff7b72",
    "green": "#3fb950",
    "brown": "#d29922",
    "blue": "#58a6ff",
    "magenta": "#bc8cff",
    "cyan": "#39c5cf",
    "white": "#f0f6fc",
}
"""Of pyte's names, on the dark ground of the window, which is the same on light and dark pages."""

Style = tuple[str, bool]
Run = tuple[int, str, Style]
Row = tuple[Run, ...]
Frame = tuple[float, tuple[Row, ...]]


class Size(NamedTuple):
    """Columns and rows of a terminal."""

    columns: int
    rows: int


def frames(text: str) -> tuple[Size, list[Frame]]:
    """Return the size of a cast and its screens, each with the second from which it stands; the last one is the end."""
    head, *lines = text.splitlines()
    size = Size(json.loads(head)["width"], json.loads(head)["height"])
    screen = pyte.Screen(*size)
    stream = pyte.Stream(screen)
    found: list[Frame] = [(0.0, _rows(screen))]
    events = [json.loads(line) for line in lines]
    for at, _, printed in events:
        stream.feed(printed)
        now = _rows(screen)
        if at - found[-1][0] < SHORTEST:
            found[-1] = (found[-1][0], now)
        elif now != found[-1][1]:
            found.append((at, now))
    return size, [*found, (events[-1][0], found[-1][1])]


def _rows(screen: pyte.Screen) -> tuple[Row, ...]:
    return tuple(tuple(_runs(screen, line)) for line in range(screen.lines))


def _runs(screen: pyte.Screen, line: int) -> Iterator[Run]:
    cells = [screen.buffer[line][column] for column in range(screen.columns)]
    for style, group in groupby(enumerate(cells), key=lambda one: _style(one[1])):
        run = list(group)
        shown = "".join(cell.data for _, cell in run)
        if text := shown.strip():
            yield run[0][0] + len(shown) - len(shown.lstrip()), text, style


def _style(cell: pyte.screens.Char) -> Style:
    colour = cell.fg.removeprefix("bright")
    return (COLOURS.get(colour, f"#{colour}"), cell.bold)


def drawn(text: str, told: str) -> str:
    """Return the SVG of a cast.

    Args:
        text: The cast.
        told: What the session shows, for who does not see it.
    """
    size, shown = frames(text)
    end = shown.pop()[0]
    width, height = round(size.columns * CELL + 2 * EDGE), size.rows * LINE + BAR + EDGE
    rows = {row: f"r{count}" for count, row in enumerate(dict.fromkeys(r for _, f in shown for r in f if r))}
    steps = [
        f"{at / end:.3%}{{transform:translateX({-count * width}px)}}" for count, (at, _) in enumerate(shown)
    ]
    film = "".join(_frame(frame, rows, count * width) for count, (_, frame) in enumerate(shown))
    last = (len(shown) - 1) * width
    defined = "".join(f'<g id="{name}">{_text(row)}</g>\n' for row, name in rows.items())
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" role="img">',
            f"<title>{escape(told)}</title>",
            "<style>",
            "text{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;white-space:pre}",
            f".film{{animation:play {end:.2f}s step-end infinite}}",
            f"@media(prefers-reduced-motion:reduce){{.film{{animation:none;transform:translateX({-last}px)}}}}",
            f"@keyframes play{{{''.join(steps)}}}",
            "</style>",
            f'<rect width="{width}" height="{height}" rx="8" fill="#0d1117" stroke="#484f58"/>',
            *(f'<circle cx="{x}" cy="16" r="5" fill="#484f58"/>' for x in (20, 38, 56)),
            f"<defs>{defined}</defs>",
            f'<svg x="0" y="{BAR}" width="{width}" height="{height - BAR}"><g class="film">{film}</g></svg>',
            "</svg>\n",
        ]
    )


def _frame(frame: tuple[Row, ...], rows: dict[Row, str], left: int) -> str:
    used = "".join(f'<use href="#{rows[row]}" y="{at * LINE}"/>' for at, row in enumerate(frame) if row)
    return f'<g transform="translate({left})">{used}</g>\n'


def _text(row: Row) -> str:
    return "".join(_run(*run) for run in row)


def _run(column: int, text: str, style: Style) -> str:
    colour, bold = style
    weight = ' font-weight="bold"' if bold else ""
    place = f'x="{EDGE + column * CELL:.4g}" y="14" textLength="{len(text) * CELL:.4g}"'
    return f'<text {place} fill="{colour}"{weight}>{escape(text)}</text>'


def main() -> None:
    """Draw the cast that the command line names."""
    cast, target = map(Path, sys.argv[1:])
    commands = cast.with_suffix(".txt").read_text("utf-8").splitlines()
    told = "A terminal session: " + ", then ".join(line for line in commands if line and line[0] != "#")
    target.write_text(drawn(cast.read_text("utf-8"), told), "utf-8")


if __name__ == "__main__":
    main()
