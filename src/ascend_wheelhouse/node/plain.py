"""Text that others wrote, fit for a terminal, a log or a page: names and reasons of an index, of wheels, of compilers.

A control sequence in such a text could move the cursor, change what was printed before, or write a window's title; a
mark that turns the direction of writing could show a file name as another.
Sources: ECMA-48 for control sequences; Unicode Standard Annex 9 for directional marks; Python's surrogate escapes.
"""

from __future__ import annotations

import re

_SEQUENCE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[P\]X^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"
    r"|\x1b[@-_]?"
)
_MARK = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)

_ODD = re.compile(f"[\t\n]|{_MARK.pattern}")


def is_odd(text: str) -> bool:
    """Tell whether a text holds what no name should: an end of line, a control character, a directional mark."""
    return _ODD.search(text) is not None


def one_line(text: str) -> str:
    """Return text with the characters that `is_odd` means written as in a text of Python."""
    return _ODD.sub(lambda found: repr(found[0])[1:-1], text)


def plain(text: str) -> str:
    """Return text without control sequences; other control characters and directional marks become `?`.

    Ends of lines and tabs stay.
    """
    return _MARK.sub("?", _SEQUENCE.sub("", text.replace("\r\n", "\n")))
