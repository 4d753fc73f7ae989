"""Parsing TOML from anywhere: one error for whatever is wrong with a text, however deep or large it is."""

from __future__ import annotations

import codecs
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ascend_wheelhouse.node import documents

_LONGEST = 16 << 20
_DEEPEST = 60


class NotTomlError(ValueError):
    """A text is not TOML, or no reader can take it."""


def parse(data: bytes, *, parse_float: Callable[[str], Any] = float) -> dict[str, Any]:
    """Return what a TOML text says; the mark that some editors of Windows put before it is passed over.

    Args:
        data: The text, in UTF-8.
        parse_float: Makes a number of the text that has a point or an exponent.

    Raises:
        NotTomlError: It is not UTF-8, not TOML, nested deeper than any file of ours, or longer than 16 MiB.
    """
    if len(data) > _LONGEST:
        raise NotTomlError(f"it is {len(data)} bytes long")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise NotTomlError(_not_utf8(data, error)) from error
    try:
        document = tomllib.loads(text, parse_float=parse_float)
        if _depth(document) > _DEEPEST:
            raise NotTomlError(f"it is nested more than {_DEEPEST} deep")
    except (ValueError, RecursionError) as error:
        raise NotTomlError(f"not TOML: {error}") from error
    return document


def read(path: Path, shape: object) -> dict[str, Any]:
    """Return what a TOML file says, which has that shape (see `node.documents`).

    Raises:
        NotTomlError: It is not TOML; see `parse`.
        documents.UnsoundError: It has another shape; the text names the key at fault.
        OSError: It cannot be read.
    """
    document = parse(documents.bytes_of(path))
    if text := documents.fault(document, shape):
        raise documents.UnsoundError(text)
    return document


def _not_utf8(data: bytes, error: UnicodeDecodeError) -> str:
    line = data.count(b"\n", 0, error.start) + 1
    kind = "UTF-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "another encoding"
    return f"not UTF-8: byte 0x{data[error.start]:02x} in line {line}; it is {kind}, save it as UTF-8"


def _depth(value: object) -> int:
    """Return how deep a document is nested, itself counted; it may be deeper than Python can call."""
    depth, layer = 0, [value]
    while layer:
        depth += 1
        inner: list[object] = []
        for one in layer:
            inner += one.values() if isinstance(one, dict) else one if isinstance(one, list) else ()
        layer = inner
    return depth
