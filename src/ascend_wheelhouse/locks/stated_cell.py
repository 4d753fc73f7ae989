"""Which cell a lock says that it is of: an error of one among many locks names it in the command that it proposes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ascend_wheelhouse.base import toml_text
from ascend_wheelhouse.base.cell_words import stated_words
from ascend_wheelhouse.base.errors import WheelhouseError
from ascend_wheelhouse.locks.pylock import CREATED_BY

_SHAPE = {"tool": {CREATED_BY: {"cell": {...: str}}}}


@contextmanager
def naming_cell(pylock: Path) -> Iterator[None]:
    """Put the options that name a lock's cell into the commands of the errors that come of reading it.

    Args:
        pylock: Its `pylock.PLATFORM.toml`.

    Raises:
        WheelhouseError: As it came; where the lock does not say its cell, without its options.
    """
    try:
        yield
    except WheelhouseError as error:
        if cell := stated_cell(pylock):
            error.for_cell(stated_words(cell))
        raise


def stated_cell(pylock: Path) -> Mapping[str, str]:
    """Return the cell as a lock of wheels states it, whatever else of it is wrong; empty where it states none."""
    try:
        cell: Mapping[str, str] = toml_text.read(pylock, _SHAPE)["tool"][CREATED_BY]["cell"]
    except (OSError, ValueError):
        return {}
    return cell
