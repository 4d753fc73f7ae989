"""The line of each key and value of a TOML text, which `tomllib` does not tell.

The text has been parsed before, so that it is sound TOML: what stands here follows its structure (tables, keys, lists,
inline tables, strings) and judges nothing.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress

Path = tuple[str | int, ...]
Lines = Mapping[Path, int]
"""The line, counted from 1, of what is at a key path; items of lists are counted from 0."""
_BLANK = re.compile(r"[ \t\r\n]+|#[^\n]*")
_STRING = re.compile(r'"""(?:\\.|[^\\])*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:\\.|[^"\\])*"|\'[^\']*\'', re.DOTALL)
_KEY = re.compile(r"[A-Za-z0-9_-]+")
_SCALAR = re.compile(r"[^,\]}#\n]+")


def lines_of(text: str) -> Lines:
    """Return the line of every key path of a TOML text; of one that is no TOML, those up to where it is none."""
    reader = _Reader(text)
    with suppress(_EndedError, tomllib.TOMLDecodeError):
        reader.document()
    return reader.lines


class _EndedError(Exception):
    """The text has no more of what its structure asks for."""


class _Reader:
    def __init__(self, text: str) -> None:
        self.lines: dict[Path, int] = {}
        self._text = text
        self._at = 0
        self._tables: Counter[Path] = Counter()
        self._ends = [found.start() for found in re.finditer("\n", text)]

    def document(self) -> None:
        """Read all of it."""
        table: Path = ()
        while self._peek():
            if self._peek() == "[":
                table = self._header()
            else:
                self._pair(table)

    def _header(self) -> Path:
        double = self._text.startswith("[[", self._at)
        line = self._line()
        self._at += 2 if double else 1
        words = self._dotted()
        self._take("]]" if double else "]")
        path = (*self._in_last(words[:-1]), words[-1])
        if double:
            self._tables[path] += 1
            self._note(path, line)
            path = (*path, self._tables[path] - 1)
        self._note(path, line)
        return path

    def _in_last(self, words: Path) -> Path:
        """Return the path of a table: a name of a list of tables means its last one."""
        path: Path = ()
        for word in words:
            path = (*path, word)
            if self._tables[path]:
                path = (*path, self._tables[path] - 1)
        return path

    def _pair(self, table: Path) -> None:
        line = self._line()
        path = table
        for word in self._dotted():
            path = (*path, word)
            self._note(path, line)
        self._take("=")
        self._value(path)

    def _value(self, path: Path) -> None:
        opening = self._peek()
        if opening == "[":
            self._list(path)
        elif opening == "{":
            self._inline(path)
        elif opening in {'"', "'"}:
            self._match(_STRING)
        else:
            self._match(_SCALAR)

    def _list(self, path: Path) -> None:
        self._take("[")
        number = 0
        while self._peek() != "]":
            self._note((*path, number), self._line())
            self._value((*path, number))
            number += 1
            self._skip(",")
        self._take("]")

    def _inline(self, path: Path) -> None:
        self._take("{")
        while self._peek() != "}":
            self._pair(path)
            self._skip(",")
        self._take("}")

    def _dotted(self) -> Path:
        words = [self._word()]
        while self._peek() == ".":
            self._take(".")
            words.append(self._word())
        return tuple(words)

    def _word(self) -> str:
        if self._peek() in {'"', "'"}:
            return str(tomllib.loads(f"k = {self._match(_STRING)}")["k"])
        return self._match(_KEY)

    def _peek(self) -> str:
        while found := _BLANK.match(self._text, self._at):
            self._at = found.end()
        return self._text[self._at : self._at + 1]

    def _take(self, sign: str) -> None:
        self._peek()
        if not self._text.startswith(sign, self._at):
            raise _EndedError
        self._at += len(sign)

    def _skip(self, sign: str) -> None:
        if self._peek() == sign:
            self._at += len(sign)

    def _match(self, pattern: re.Pattern[str]) -> str:
        self._peek()
        found = pattern.match(self._text, self._at)
        if found is None:
            raise _EndedError
        self._at = found.end()
        return found[0]

    def _line(self) -> int:
        self._peek()
        return bisect_left(self._ends, self._at) + 1

    def _note(self, path: Path, line: int) -> None:
        self.lines.setdefault(path, line)
