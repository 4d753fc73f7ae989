"""The imports of a plain module without its syntax tree, which costs most of the time of reading a set of wheels.

A module is plain when every import stands at the left margin or inside a function. Only the statements at the margin
are then parsed. Anything else, and anything that does not parse alone (prose in a docstring), gets no answer here.
"""

from __future__ import annotations

import ast
import re

_LINE = re.compile(rb"^([ \t]*)(from[ \t]|import[ \t]|def |async |class |@|[A-Za-z_])", re.MULTILINE)
_IMPORTS = (b"from", b"impo")
_FUNCTION = (b"def ", b"async ", b"@")
_INNER = 4


def margin_imports(data: bytes) -> list[ast.stmt] | None:
    """Return the import statements that a module runs when it is loaded, or None where its tree is needed."""
    top, inner = b"", b""
    statements: list[bytes] = []
    for line in _LINE.finditer(data):
        indent, word = len(line[1].expandtabs(_INNER)), line[2]
        if word[:4] in _IMPORTS and len(word) > 1:
            if not indent:
                statements.append(_statement(data, line.start()))
                top = word
            elif not _inside_function(top, inner, indent):
                return None
        elif not indent:
            top, inner = word, b""
        elif indent <= _INNER:
            inner = word
    try:
        return ast.parse(b"\n".join(statements)).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _inside_function(top: bytes, inner: bytes, indent: int) -> bool:
    if top in _FUNCTION:
        return True
    return top == b"class " and inner in _FUNCTION and indent > _INNER


def _statement(data: bytes, start: int) -> bytes:
    """Return the statement that begins at a place: to the closing bracket, over continued lines, else the line."""
    end = _line_end(data, start)
    opened = data.find(b"(", start, end)
    if opened >= 0 and data.find(b")", opened, end) < 0:
        closed = data.find(b")", end)
        return data[start : closed + 1 if closed >= 0 else len(data)]
    while data[start:end].rstrip(b"\r").endswith(b"\\") and end < len(data):
        end = _line_end(data, end + 1)
    return data[start:end]


def _line_end(data: bytes, start: int) -> int:
    end = data.find(b"\n", start)
    return end if end >= 0 else len(data)
