"""What may be said beside `--stack`: nothing but what the stack says."""

from __future__ import annotations

from packaging.version import Version

from ascend_wheelhouse.base.cell_words import APPLICATION
from ascend_wheelhouse.base.errors import UsageError
from ascend_wheelhouse.cells.cell import Cell
from ascend_wheelhouse.cells.request import Request


class AgainstStackError(UsageError):
    """A word says something else than the stack that is named beside it."""


def held_to(cell: Cell, request: Request) -> Cell:
    """Return a stack's cell, where no word of the request contradicts it.

    Args:
        cell: What the stack says.
        request: What was asked, `--stack` among it.

    Raises:
        AgainstStackError: `--torch`, `--cann`, `--sglang` or `--app` says something else.
    """
    of_stack = {
        "torch": cell.torch,
        "cann": cell.cann,
        "sglang": cell.components.get(APPLICATION, ""),
        "app": cell.application,
    }
    for option, own in of_stack.items():
        word = request.asked[option]
        if word and not _same(word, own):
            raise AgainstStackError(
                f"--{option} {word} contradicts --stack {request.stack}, which has {own or 'none'}.",
                why="A stack decides torch, CANN, SGLang and the application.",
                next_step=f"leave --{option} or --stack away; `invoke stacks` shows what each stack has",
            )
    return cell


def _same(word: str, own: str) -> bool:
    try:
        return Version(word) == Version(own)
    except ValueError:
        return word == own
