"""Reads the sentences of a markdown document as a reader does: without code, targets of links, headings and tables."""

from __future__ import annotations

import re
from collections.abc import Iterator

_FENCED = re.compile(r"^( *)```.*?^\1```", re.MULTILINE | re.DOTALL)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_CODE = re.compile(r"``[^\n]+?``|`[^`]+`")
_ITEM = re.compile(r"^\s*(?:[-*]|\d+\.) ")
_END = re.compile(r"(?<=[.!?:;])[)\"]*\s+(?=[\"(]*[A-Z0-9C])")
_SHORT = re.compile(r"\b(e\.g|i\.e|etc|vs|cf|No)\.")


def prose(text: str) -> Iterator[str]:
    """Yield the paragraphs and the items of lists of a document, code in them as the one word `C`."""
    plain = _COMMENT.sub("", _FENCED.sub("\n", text))
    gathered: list[str] = []
    for line in [*plain.splitlines(), ""]:
        code = line.startswith("    ") and not gathered
        ends = not line.strip() or code or line.startswith(("#", "|")) or _ITEM.match(line)
        if ends and gathered:
            yield _plain(" ".join(gathered))
            gathered = []
        if line.strip() and not code and not line.startswith(("#", "|")):
            gathered.append(_ITEM.sub("", line, count=1).strip())


def cells(text: str) -> Iterator[str]:
    """Yield what stands in the cells of a document's tables."""
    for line in _COMMENT.sub("", _FENCED.sub("\n", text)).splitlines():
        if line.startswith("|") and not re.fullmatch(r"[|\s:-]+", line):
            yield from (_plain(cell.strip()) for cell in re.split(r"(?<!\\)\|", line.strip().strip("|")))


def _plain(text: str) -> str:
    return _SHORT.sub(r"\1", _LINK.sub(r"\1", _CODE.sub("C", text))).replace("*", "")


def sentences(text: str) -> list[str]:
    """Return the sentences of a document's prose; a colon or a semicolon ends one where a capital follows."""
    return [part for paragraph in prose(text) for part in _END.split(paragraph) if part.strip()]


def length(sentence: str) -> int:
    """Return how many words a sentence has."""
    return len(re.findall(r"[A-Za-z0-9][\w'./+-]*", sentence))
