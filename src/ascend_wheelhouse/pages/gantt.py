"""A Gantt chart of a run: a row a lane, a bar a piece of work, over seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ascend_wheelhouse.console import words
from ascend_wheelhouse.pages.recorder import KINDS, TimedSpan
from ascend_wheelhouse.pages.render import fragment, render

if TYPE_CHECKING:
    from markupsafe import Markup

_WIDTH, _LEFT, _ROW, _BAR, _GAP, _TOP = 1070, 74, 20, 16, 10, 26
_LETTER = 6.6
_LEAST = 1.5
_TICKS = 10
_STEPS = (1, 2, 5)
_LONGEST = 15
_MEANINGS = {
    "run": "stages of the run",
    "resolve": "cell, versions, sources",
    "fetch": "downloads",
    "read": "metadata of wheels, as they come",
    "build": "builds from source",
    "lay out": "folder, index, manifest, page",
    "audit": "reading libraries, checks",
    "pack": "hashing and packing",
}


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One bar: its corner and width in pixels, its kind, its label where that fits, and all of it in words."""

    x: float
    y: int
    width: float
    kind: str
    label: str
    title: str


@dataclass(frozen=True, kw_only=True)
class Tick:
    """One line of the axis."""

    x: float
    label: str


@dataclass(frozen=True, kw_only=True)
class Group:
    """The lanes of one kind: where they begin, and the sums of their work in seconds."""

    kind: str
    meaning: str
    y: int
    jobs: int
    lanes: int
    summed: float
    first: float
    last: float
    busy: float


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A chart in pixels, and its content for tables."""

    width: int
    height: int
    bar: int
    left: int
    bars: tuple[Bar, ...]
    ticks: tuple[Tick, ...]
    groups: tuple[Group, ...]
    longest: tuple[TimedSpan, ...]
    total: float


def chart(spans: Sequence[TimedSpan]) -> Chart:
    """Lay a chart out."""
    total = max((span.ended for span in spans), default=0.0)
    scale = (_WIDTH - _LEFT - _GAP) / total if total else 0.0
    groups, y = [], _TOP
    for kind in [*KINDS, *sorted({span.kind for span in spans} - {*KINDS})]:
        if of_kind := [span for span in spans if span.kind == kind]:
            groups.append(_group(kind, of_kind, y))
            y += groups[-1].lanes * _ROW + _GAP
    tops = {group.kind: group.y for group in groups}
    work = [span for span in spans if span.kind != "run"]
    return Chart(
        width=_WIDTH,
        height=y,
        bar=_BAR,
        left=_LEFT,
        bars=tuple(_bar(span, tops[span.kind] + span.lane * _ROW, scale) for span in spans),
        ticks=tuple(Tick(x=_LEFT + at * scale, label=words.seconds(at)) for at in _axis(total)),
        groups=tuple(groups),
        longest=tuple(sorted(work, key=lambda span: (-span.took, span.name))[:_LONGEST]),
        total=total,
    )


def _group(kind: str, spans: Sequence[TimedSpan], y: int) -> Group:
    return Group(
        kind=kind,
        meaning=_MEANINGS.get(kind, ""),
        y=y,
        jobs=len(spans),
        lanes=max(span.lane for span in spans) + 1,
        summed=sum(span.took for span in spans),
        first=min(span.began for span in spans),
        last=max(span.ended for span in spans),
        busy=_busy(spans),
    )


def _busy(spans: Sequence[TimedSpan]) -> float:
    """Return the seconds in which at least one of the spans was at work."""
    busy, until = 0.0, 0.0
    for span in sorted(spans, key=lambda one: one.began):
        busy += max(span.ended - max(span.began, until), 0)
        until = max(until, span.ended)
    return busy


def _bar(span: TimedSpan, y: int, scale: float) -> Bar:
    width = max(span.took * scale, _LEAST)
    label = span.name if len(span.name) * _LETTER < width - 6 else ""
    short = span.name.partition("-")[0]
    label = label or (short if len(short) * _LETTER < width - 6 else "")
    ended = f", {span.outcome}" if span.outcome else ""
    title = f"{span.kind}: {span.name}, {words.seconds(span.took)} from {words.seconds(span.began)} on{ended}"
    x = round(_LEFT + span.began * scale, 1)
    return Bar(x=x, y=y, width=round(width, 1), kind=span.kind.replace(" ", "-"), label=label, title=title)


def _axis(total: float) -> list[float]:
    """Return where lines stand: round figures, some ten of them."""
    if not total:
        return []
    unit = next(
        step * 10.0**power
        for power in range(-3, 12)  # beyond the longest time that a trace may state
        for step in _STEPS
        if step * 10.0**power * _TICKS >= total
    )
    return [round(number * unit, 6) for number in range(int(total / unit) + 1)]


def figure(spans: Sequence[TimedSpan]) -> Markup:
    """Return the chart as markup for another page."""
    return fragment("gantt.html.j2", chart=chart(spans))


def page(title: str, spans: Sequence[TimedSpan]) -> str:
    """Return the page of a run's times."""
    found = chart(spans)
    return render("profile.html.j2", title=f"{title}: times of a run", eyebrow="profile", chart=found)
