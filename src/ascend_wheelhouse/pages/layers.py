"""Drawing a graph in layers: what needs something stands above it, lines go down and around boxes.

No program of the host takes part (Graphviz is not everywhere, and its releases draw differently), so a page has the
same bytes wherever it is made. The steps are those of Sugiyama, Tagawa and Toda (1981): layers by the longest path
and no wider than a screen, a place in every layer that a line crosses, order by the mean of the neighbours, then
positions. Made for some dozens of boxes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from itertools import pairwise

WIDTH, HEIGHT = 176, 46
_GAP, _DROP = 18, 62
_CROSSING = 16
_MARGIN = 4
_SWEEPS = 12
_WIDEST = 5
_SCREEN = 1060 - WIDTH  # between the middles of the outermost boxes
_PULL = 0.8  # what has no neighbours comes to the middle
Place = tuple[str, int]
"""A box and its layer, or where a line crosses a layer: then the text names the line."""


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """Where things are, in pixels.

    Args:
        width: Of the whole.
        height: Of the whole.
        boxes: The upper left corner of each box.
        lines: Each line as the data of an SVG path, by its two ends.
    """

    width: int
    height: int
    boxes: Mapping[str, tuple[int, int]]
    lines: Mapping[tuple[str, str], str]


def draw(needs: Mapping[str, Iterable[str]]) -> Drawing:
    """Place boxes and lines.

    Args:
        needs: What each box needs; without circles, and only names that are keys.
    """
    edges = [(above, below) for above, others in needs.items() for below in sorted(set(others))]
    layer = _layers(needs)
    rows: list[list[Place]] = [[] for _ in range(max(layer.values(), default=-1) + 1)]
    for name, number in layer.items():
        rows[number].append((name, number))
    chains = {edge: _chain(edge, layer) for edge in edges}
    for chain in chains.values():
        for place in chain[1:-1]:
            rows[place[1]].append(place)
    links = [pair for chain in chains.values() for pair in pairwise(chain)]
    _order(rows, links)
    middles = _positions(rows, links, set(layer))
    left = min((x - _half(place, layer) for place, x in middles.items()), default=0)
    at = {place: round(x - left) + _MARGIN for place, x in middles.items()}
    return Drawing(
        width=max((x + _half(place, layer) for place, x in at.items()), default=0) + _MARGIN,
        height=len(rows) * (HEIGHT + _DROP) - _DROP + 2 * _MARGIN if rows else 0,
        boxes={name: (at[name, number] - WIDTH // 2, _top(number)) for name, number in layer.items()},
        lines={edge: _path(chain, at) for edge, chain in chains.items()},
    )


def reduced(needs: Mapping[str, Iterable[str]]) -> dict[str, set[str]]:
    """Return the needs without those that follow from others, and without what would close a circle."""
    order: dict[str, set[str]] = {}
    for start in needs:
        _below(start, needs, order, ())
    kept: dict[str, set[str]] = {}
    for name, everything in order.items():
        direct = set(needs[name]) & everything
        kept[name] = direct - {far for near in direct for far in order[near]}
    return {name: kept[name] for name in needs}


def _below(
    name: str, needs: Mapping[str, Iterable[str]], known: dict[str, set[str]], path: tuple[str, ...]
) -> set[str]:
    if name in known:
        return known[name]
    found: set[str] = set()
    for other in sorted(needs[name]):
        if other != name and other not in path:
            found |= {other} | _below(other, needs, known, (*path, name))
    known[name] = found - {name, *path}
    return known[name]


def _layers(needs: Mapping[str, Iterable[str]]) -> dict[str, int]:
    """Return each box's layer: right above what it needs where there is space, and no layer wider than a screen."""
    height: dict[str, int] = {}
    full: Counter[int] = Counter()
    for name in TopologicalSorter({name: sorted(others) for name, others in needs.items()}).static_order():
        number = max((height[one] + 1 for one in needs[name]), default=0)
        while full[number] >= _WIDEST:
            number += 1
        height[name] = number
        full[number] += 1
    top = max(height.values(), default=0)
    return {name: top - height[name] for name in sorted(height)}


def _chain(edge: tuple[str, str], layer: Mapping[str, int]) -> list[Place]:
    above, below = edge
    between = range(layer[above] + 1, layer[below])
    return [(above, layer[above]), *((f"{above}\0{below}", one) for one in between), (below, layer[below])]


def _order(rows: list[list[Place]], links: Sequence[tuple[Place, Place]]) -> None:
    ups, downs = _neighbours(links)
    for sweep in range(_SWEEPS):
        down = sweep % 2 == 0
        sides = ups if down else downs
        for row in rows if down else reversed(rows):
            spot = {place: index for other in rows for index, place in enumerate(other)}
            mean = {place: _mean([spot[one] for one in sides.get(place, [])], spot[place]) for place in row}
            row.sort(key=mean.__getitem__)


def _neighbours(
    links: Sequence[tuple[Place, Place]],
) -> tuple[dict[Place, list[Place]], dict[Place, list[Place]]]:
    ups: dict[Place, list[Place]] = {}
    downs: dict[Place, list[Place]] = {}
    for above, below in links:
        ups.setdefault(below, []).append(above)
        downs.setdefault(above, []).append(below)
    return ups, downs


def _positions(
    rows: Sequence[Sequence[Place]], links: Sequence[tuple[Place, Place]], boxes: set[str]
) -> dict[Place, float]:
    """Return the middle of each place: near its neighbours, in order, and never over one another."""
    ups, downs = _neighbours(links)
    at: dict[Place, float] = {}
    for row in rows:
        _spread(row, dict.fromkeys(row, 0.0), at, boxes)
    for sweep in range(2 * _SWEEPS):
        for row in rows if sweep % 2 else reversed(rows):
            beside = {place: [*ups.get(place, []), *downs.get(place, [])] for place in row}
            wanted = {place: _mean([at[one] for one in beside[place]], _PULL * at[place]) for place in row}
            _spread(row, wanted, at, boxes)
    return at


def _spread(
    row: Sequence[Place], wanted: Mapping[Place, float], at: dict[Place, float], boxes: set[str]
) -> None:
    """Push a row's places apart from left to right and from right to left, take the mean of both, keep them in view."""
    right, left = _pushed(row, wanted, boxes, 1), _pushed(row[::-1], wanted, boxes, -1)
    middle = {place: (right[place] + left[place]) / 2 for place in row}
    inside = _pushed(row, {place: max(middle[place], -_SCREEN / 2) for place in row}, boxes, 1)
    at.update(_pushed(row[::-1], {place: min(inside[place], _SCREEN / 2) for place in row}, boxes, -1))


def _pushed(
    row: Sequence[Place], wanted: Mapping[Place, float], boxes: set[str], sign: int
) -> dict[Place, float]:
    found: dict[Place, float] = {}
    for before, place in zip([None, *row], row, strict=False):
        at = wanted[place]
        if before is not None:
            apart = _half(before, boxes) + _half(place, boxes) + _GAP
            at = max(sign * at, sign * found[before] + apart) * sign
        found[place] = at
    return found


def _half(place: Place, boxes: Iterable[Hashable]) -> int:
    return (WIDTH if place[0] in boxes else _CROSSING) // 2


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _top(layer: int) -> int:
    return _MARGIN + layer * (HEIGHT + _DROP)


def _path(chain: Sequence[Place], at: Mapping[Place, int]) -> str:
    """Return curves that leave and enter boxes upright and go straight through the layers between."""
    parts = [f"M{at[chain[0]]} {_top(chain[0][1]) + HEIGHT}"]
    for above, below in pairwise(chain):
        start, end = _top(above[1]) + HEIGHT, _top(below[1])
        half = (start + end) // 2
        parts.append(f"C{at[above]} {half} {at[below]} {half} {at[below]} {end}")
        if below is not chain[-1]:
            parts.append(f"V{end + HEIGHT}")
    return "".join(parts)
