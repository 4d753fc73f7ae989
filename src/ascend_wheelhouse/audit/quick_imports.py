"""The imports of a plain module without its syntax tree, which costs most of the time of reading a set of wheels.

Only the statements at the left margin that import, or that hold an import outside of any function, are parsed. What
does not parse alone (prose in a docstring, a text over several lines inside such a statement) gets no answer here.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator

_LINE = re.compile(
    rb"\n(?:[ \t]+((?:from|import)[ \t])|(from[ \t]|import[ \t]|def |async |class |@|[A-Za-z_]))"
)
_CLASS_LINE = re.compile(rb"\n([ \t]*)((?:from|import)[ \t]|(?:def |async |@)|[A-Za-z_])")
_TEXT_OR_COMMENT = re.compile(
    rb"#[^\n]*"
    rb"|\"{3}(?:[^\\\"]|\\.|\"(?!\"\"))*+(?:\"{3}|\Z)|'{3}(?:[^\\']|\\.|'(?!''))*+(?:'{3}|\Z)"
    rb"|\"(?:[^\\\"\n]|\\.)*+\"|'(?:[^\\'\n]|\\.)*+'",
    re.DOTALL,
)
_IMPORTS = (b"from", b"import")
_CLASS = b"class "
_FUNCTION = (b"def ", b"async ", b"@")
_CONTINUES = (b"else", b"elif", b"except", b"finally")
_INNER = 4


def margin_imports(data: bytes) -> list[ast.stmt] | None:
    """Return statements with the imports that a module runs when it is loaded, or None where its tree is needed.

    Each has its line in the module. One that stands in a text at the left margin is among them: see `is_code`.
    """
    try:
        return ast.parse(_alone(b"\n" + data)).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def is_code(data: bytes, lines: Collection[int]) -> bool:
    """Tell whether each of some lines of a module begins outside of texts.

    Source: the Python language reference, 2.4.1, on where string literals end.
    """
    ends = [0]
    for _ in range(max(lines) - 1):
        ends.append(data.find(b"\n", ends[-1]) + 1)
    starts = {ends[line - 1] for line in lines}
    last = max(starts)
    for text in _TEXT_OR_COMMENT.finditer(data):
        if text.start() >= last:
            break
        if any(text.start() < start < text.end() for start in starts):
            return False
    return True


def _alone(data: bytes) -> bytes:
    """Return the statements that matter with everything else left out, and each on the line where it stood."""
    kept, here = [], 1
    for start, statement in _statements(data):
        kept += [b"\n" * data.count(b"\n", here, start), statement]
        here = start + len(statement)
    return b"".join(kept)


def _statements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the statements at the margin that are imports, and those that hold one outside of functions.

    Each comes with its place.

    Args:
        data: The module after an empty line, so that every line of it follows an end of line.
    """
    start, word, holds_import = 0, b"", False
    for line in _LINE.finditer(data):
        if line[1]:
            holds_import = True
        elif not data.startswith(_CONTINUES, line.start() + 1):
            if holds_import and _runs_import(word, data[start : line.start()]):
                yield start, data[start : line.start()]
            start, word, holds_import = line.start() + 1, line[2], False
            if word.rstrip() in _IMPORTS:
                yield start, _statement(data, start)
    if holds_import and _runs_import(word, data[start:]):
        yield start, data[start:]


def _runs_import(word: bytes, statement: bytes) -> bool:
    """Tell whether a statement at the margin with an import somewhere in it may run one when it is loaded."""
    if word in _FUNCTION:
        return False
    return word != _CLASS or _class_runs_import(statement)


def _class_runs_import(statement: bytes) -> bool:
    """Tell whether an import of a class stands outside of its methods."""
    method = False
    for line in _CLASS_LINE.finditer(statement):
        indent, word = len(line[1].expandtabs(_INNER)), line[2]
        if word.rstrip() in _IMPORTS:
            if not method or indent <= _INNER:
                return True
        elif indent <= _INNER:
            method = word in _FUNCTION
    return False


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
