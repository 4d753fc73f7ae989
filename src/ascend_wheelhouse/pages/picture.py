"""The picture of what depends on what: a box a component, and one for all the wheels that no recipe names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ascend_wheelhouse.console import words
from ascend_wheelhouse.pages import layers
from ascend_wheelhouse.pages.view import Part, WheelhouseView

REST = "\0rest"
_SPACE = layers.WIDTH - 2 * 12
"""Pixels that a line of text may take: the template puts it 12 from the edge."""
_NAME_SIZE, _DETAIL_SIZE = 14.4, 11.5
"""Of the letters, in pixels, as the style sheet has them; a name is bold, which takes a tenth more."""
_WIDTHS = {"ijl.,:;|!' ": 0.32, "frt-()[]/": 0.42, "mwMWQ@%…": 1.0, "ABCDEGHKNOPRUVXYZ+&=<>~": 0.84}
_WIDTH_OF = {letter: width for letters, width in _WIDTHS.items() for letter in letters}
_USUAL, _FOREIGN = 0.64, 1.1
"""Widths of letters for each pixel of their size: at least those of DejaVu Sans, which is wider than most."""


@dataclass(frozen=True, kw_only=True)
class Box:
    """One box: its corner, two lines of text, what it is, and all of its text for whoever points at it."""

    x: int
    y: int
    name: str
    detail: str
    kind: str
    title: str


@dataclass(frozen=True, kw_only=True)
class Picture:
    """Boxes and lines, in pixels, and the same in words."""

    width: int
    height: int
    boxes: tuple[Box, ...]
    lines: tuple[str, ...]
    told: str
    box: tuple[int, int] = (layers.WIDTH, layers.HEIGHT)


def picture(view: WheelhouseView) -> Picture:
    """Draw the components of a wheelhouse."""
    needs = layers.reduced(component_needs(view))
    drawing = layers.draw(needs)
    boxes = tuple(_box(view, name, *drawing.boxes[name]) for name in sorted(needs))
    said = [
        f"{_said(view, name)} needs {', '.join(_said(view, one) for one in sorted(below))}."
        for name, below in sorted(needs.items())
        if below
    ]
    return Picture(
        width=drawing.width,
        height=drawing.height,
        boxes=boxes,
        lines=tuple(drawing.lines[edge] for edge in sorted(drawing.lines)),
        told=" ".join(said),
    )


def component_needs(view: WheelhouseView) -> dict[str, set[str]]:
    """Return what each component needs: by the recipes, and by what the wheels themselves declare."""
    tools = {part.component for part in view.named if part.kind == "tool"}
    tools -= {part.component for part in view.named if part.kind != "tool"}
    names = {part.component for part in view.named} | {one.name for one in view.pending}
    owners = {part.name: part.component for part in view.named if part.kind == "wheel"}
    wheels = {part.name: part for part in view.wheels}
    needs: dict[str, set[str]] = {name: set() for name in sorted(names - tools)}
    for name, stated in view.needs.items():
        if name in needs:
            needs[name] |= set(stated) & needs.keys()
    for name, component in owners.items():
        needs[component] |= _reached(wheels[name], wheels, owners) - {component}
    if view.others:
        needs[REST] = set()
    return needs


def _reached(part: Part, wheels: Mapping[str, Part], owners: Mapping[str, str]) -> set[str]:
    """Return the components that a wheel needs, also by way of wheels that are of no component."""
    found, seen, todo = set(), {part.name}, list(part.needs)
    while todo:
        name = todo.pop()
        if name in seen or name not in wheels:
            continue
        seen.add(name)
        if name in owners:
            found.add(owners[name])
            continue
        found.add(REST)
        todo += wheels[name].needs
    return found


def _box(view: WheelhouseView, name: str, x: int, y: int) -> Box:
    if name == REST:
        detail = f"of no recipe, {words.size(sum(part.size for part in view.others))}"
        title = f"{words.counted(len(view.others), 'wheel')} that no recipe names"
        return Box(x=x, y=y, name=_said(view, name), detail=detail, kind="rest", title=title)
    part = next((one for one in view.named if one.component == name), None)
    if part is not None:
        detail = f"{part.version}, {words.size(part.size)}"
        title = f"{name} {part.version}: {part.origin}, {words.size(part.size)}"
        kind = "built" if part.origin.startswith("built") else part.kind
        return Box(x=x, y=y, name=_clip(name, _NAME_SIZE), detail=_clip(detail), kind=kind, title=title)
    version = next((one.version for one in view.pending if one.name == name), "")
    return Box(
        x=x,
        y=y,
        name=_clip(name, _NAME_SIZE),
        detail=_clip(f"{version}, pending" if version else "pending"),
        kind="pending",
        title=f"{name} {version}: pending",
    )


def _said(view: WheelhouseView, name: str) -> str:
    return f"{words.counted(len(view.others), 'more wheel')}" if name == REST else name


def _clip(text: str, size: float = _DETAIL_SIZE) -> str:
    """Return as much of a text as a box has space for; all of it stands in the title."""
    if _wide(text, size) <= _SPACE:
        return text
    fitting = (end for end in range(len(text) - 1, 0, -1) if _wide(f"{text[:end]}…", size) <= _SPACE)
    return f"{text[: next(fitting, 0)]}…"


def _wide(text: str, size: float) -> float:
    """Return how many pixels a text takes at most."""
    return size * sum(_WIDTH_OF.get(letter, _USUAL if letter.isascii() else _FOREIGN) for letter in text)


def legend(boxes: Iterable[Box]) -> dict[str, str]:
    """Return the kinds that are in a picture, and what they mean."""
    meanings = {
        "wheel": "wheel",
        "built": "wheel that was built here",
        "payload": "package of CANN",
        "pending": "pending: not in this wheelhouse",
        "rest": "all wheels that no recipe names",
    }
    there = {box.kind for box in boxes}
    return {kind: text for kind, text in meanings.items() if kind in there}
