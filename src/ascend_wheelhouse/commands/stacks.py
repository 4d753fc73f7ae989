"""`invoke stacks`: which SGLang goes with which torch and CANN, from where that is known, and what is pending here."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ascend_wheelhouse import console
from ascend_wheelhouse.base.cell_words import APPLICATION
from ascend_wheelhouse.base.packaged import lockfiles_of, recipes_of
from ascend_wheelhouse.cells.stack import load_catalogue
from ascend_wheelhouse.console.table import layout, window
from ascend_wheelhouse.make.stack_views import StackView, stack_views

_WIDTH = 80
_LEAST = 40
_SHOWN = ("torch-npu", "triton-ascend", "sgl-kernel-npu")


@dataclass(frozen=True, kw_only=True)
class StacksOptions:
    """What `invoke stacks` was asked for.

    Args:
        root: The project folder.
        markdown: Print the README's table.
        json: Print one JSON document.
    """

    root: Path
    markdown: bool = False
    json: bool = False


def main(options: StacksOptions) -> None:
    """Show every stack, and end with an error for a committed lock that cannot be read.

    Raises:
        UsageError: The last of them, after the others are printed.
        SystemExit: The same with `json`, whose document has them all.
    """
    views = stack_views(load_catalogue(recipes_of(options.root)), lockfiles_of(options.root))
    if options.json:
        console.print_json({"stacks": [one.as_dict() for one in views]})
    elif options.markdown:
        console.line(markdown(views))
    else:
        for line in shown(views, width=min(_WIDTH, window(sys.stdout))):
            console.line(line)
    console.end_with([error for one in views for error in one.errors], json=options.json)


def markdown(views: Sequence[StackView]) -> str:
    """Return the README's table of stacks."""
    heads = [
        "application",
        "torch",
        "torch_npu",
        "triton-ascend",
        "sgl-kernel-npu",
        "CANN",
        "locked",
        "choose with",
    ]
    rows = [
        [
            f"{_called(one)} {one.release}",
            one.components["torch"],
            *(one.components.get(name, "") for name in _SHOWN),
            one.cann,
            one.locked,
            f"`{one.words}`",
        ]
        for one in views
    ]
    rule = "|" + "---|" * len(heads)
    lines = [f"| {' | '.join(row)} |" for row in (heads, *rows)]
    return "\n".join([lines[0], rule, *lines[1:]])


def shown(views: Sequence[StackView], *, width: int = _WIDTH) -> Iterator[str]:
    """Yield the lines of the table, and below it a paragraph a stack; they are folded to `width` characters."""
    width = max(width, _LEAST)
    heads = ["torch", "application", "CANN", "chips", "Python", "locked"]
    rows = [
        [
            one.components["torch"] + ("*" if one.default else ""),
            f"{_called(one)} {one.release}",
            one.cann,
            " ".join(one.npus),
            " ".join(one.python),
            one.locked,
        ]
        for one in views
    ]
    yield from layout(heads, rows, width=width).splitlines()
    yield "* what its torch version alone chooses"
    for one in views:
        yield ""
        yield from _paragraph(one, width)


def _called(one: StackView) -> str:
    return "SGLang" if one.application == APPLICATION else one.application


def _paragraph(one: StackView, width: int) -> Iterator[str]:
    yield from textwrap.wrap(f"{one.name}: {one.summary}", width, break_on_hyphens=False)
    yield f"  {one.words}"
    for source in one.sources:
        yield from _item("known from", source, width)
    for note in one.notes:
        yield from _item("note", note, width)
    for lock in one.locks:
        pending = f"; pending: {', '.join(lock.pending)}" if lock.pending else ""
        held = "cannot be read, see below" if lock.error else f"{lock.wheels} wheels{pending}"
        yield from _item("locked", f"{lock.place} {lock.npu}: {held}", width)


def _item(label: str, text: str, width: int) -> list[str]:
    indent = " " * 14
    return textwrap.wrap(
        text,
        width,
        initial_indent=f"  {label}".ljust(len(indent)),
        subsequent_indent=indent,
        break_on_hyphens=False,
        break_long_words=False,
    )
