"""Which cell a lock says that it is of: an error of one among many locks names it in the command that it proposes."""

from __future__ import annotations

from collections.abc import Iterator
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
        if words := _words(pylock):
            error.for_cell(words)
        raise


def _words(path: Path) -> str:
    """Return the options, empty where the lock of wheels is none that can be read."""
    try:
        return stated_words(toml_text.read(path, _SHAPE)["tool"][CREATED_BY]["cell"])
    except (OSError, ValueError):
        return ""
