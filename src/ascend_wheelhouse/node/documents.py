"""Reading back a JSON file that anybody may have changed since it was written: parsed strictly, held to a shape.

A shape says what a value must be: a type; a list with the shape of its items; a mapping with the shape of each key,
where `name?` may be missing, keys that it does not name are let through, and `...` stands for every key; a tuple of
shapes one of which fits; or a function that tells. Standard library only: nodes and quick runs read files, too.
"""

from __future__ import annotations

import errno
import json
import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from types import NoneType
from typing import Any

LONGEST = 128 << 20
"""Bytes that a document may have; the receipt of a whole environment has a tenth of it."""
_SHOWN = 60
_SHA256 = re.compile(r"[0-9a-f]{64}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_LARGEST = 1 << 40


class UnsoundError(ValueError):
    """A document is not JSON, or not of the shape that it must have; the text names the key at fault."""


def path(value: object) -> bool:
    """A relative path that stays below where it starts."""
    return isinstance(value, str) and name(value) and not value.startswith("/") and _stays(value)


def _stays(value: str) -> bool:
    return "\\" not in value and not {"", ".", ".."} & {*value.split("/")} and len(value) < _LARGEST


def name(value: object) -> bool:
    """A text of one line that is not empty."""
    return isinstance(value, str) and bool(value) and not _CONTROL.search(value)


def file_name(value: object) -> bool:
    """The name of a file: a path of one step."""
    return path(value) and PurePosixPath(str(value)).name == value


def sha256(value: object) -> bool:
    """A digest in lower-case hexadecimal."""
    return isinstance(value, str) and _SHA256.fullmatch(value) is not None


def size(value: object) -> bool:
    """A number of bytes."""
    return type(value) is int and 0 <= value <= _LARGEST


def parse(data: bytes) -> Any:  # noqa: ANN401 - whatever JSON can say
    """Return what a JSON text says.

    Raises:
        UnsoundError: It is not UTF-8 or not JSON, names a key twice, or holds what no text or number can be.
    """
    try:
        document = json.loads(data.decode(), object_pairs_hook=_no_key_twice, parse_constant=_no_constant)
        if (
            b"\\ud" in data or b"\\uD" in data
        ):  # half of a pair can be written so, and then be printed nowhere
            json.dumps(document, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise UnsoundError(f"not sound JSON: {error}") from error
    return document


def read(data: bytes, shape: object) -> Any:  # noqa: ANN401 - what the shape says
    """Return what a JSON text says, which has that shape.

    Raises:
        UnsoundError: It has not; see `parse` for what else.
    """
    document = parse(data)
    if text := fault(document, shape):
        raise UnsoundError(text)
    return document


def read_file(path: Path, shape: object) -> Any:  # noqa: ANN401 - what the shape says
    """Return what a JSON file says, which has that shape.

    Raises:
        UnsoundError: It has not; see `parse` for what else.
        OSError: It cannot be read; see `bytes_of`.
    """
    return read(bytes_of(path), shape)


def bytes_of(path: Path) -> bytes:
    """Return the bytes of a file that was not made just now: a pipe or a device in its place is not waited for.

    Raises:
        OSError: It is no regular file, has more bytes than any document of ours, or cannot be read.
    """
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as stream:
        found = os.fstat(stream.fileno())
        if stat.S_ISDIR(found.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "it is no regular file", str(path))
        if found.st_size > LONGEST:
            raise OSError(errno.EFBIG, f"it has {found.st_size} bytes, more than {LONGEST}", str(path))
        return stream.read()


def fault(value: object, shape: object, at: str = "") -> str:
    """Return the first place where a value has not the shape, and what stands there; empty where it has."""
    if isinstance(shape, Mapping):
        return _fault_of_mapping(value, shape, at)
    if isinstance(shape, list):
        if not isinstance(value, list):
            return _told(value, "a list", at)
        return next((text for i, one in enumerate(value) if (text := fault(one, shape[0], f"{at}.{i}"))), "")
    if isinstance(shape, tuple):
        return "" if any(not fault(value, one) for one in shape) else _told(value, "something else", at)
    if isinstance(shape, type):
        fits = isinstance(value, shape) and not (shape in (int, float) and isinstance(value, bool))
        return "" if fits else _told(value, "null" if shape is NoneType else f"of type {shape.__name__}", at)
    if not callable(shape):
        raise TypeError(f"{shape!r} is no shape")
    return "" if shape(value) else _told(value, f"a {getattr(shape, '__name__', '').replace('_', ' ')}", at)


def _fault_of_mapping(value: object, shape: Mapping[Any, object], at: str) -> str:
    if not isinstance(value, dict):
        return _told(value, "an object", at)
    if ... in shape:
        rows = [(key, each, shape[...]) for key, each in value.items()]
    else:
        names = {str(key).removesuffix("?"): each for key, each in shape.items()}
        lacking = [key for key in shape if not str(key).endswith("?") and key not in value]
        if lacking:
            return f"{at.strip('.') or 'it'} lacks {lacking[0]!r}"
        rows = [(key, value[key], each) for key, each in names.items() if key in value]
    return next((text for key, each, one in rows if (text := fault(each, one, f"{at}.{key}"))), "")


def _told(value: object, wanted: str, at: str) -> str:
    found = repr(value)
    shown = found if len(found) < _SHOWN else f"{found[:_SHOWN]}..."
    return f"{at.strip('.') or 'it'} is {shown}, and must be {wanted}"


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError("a key appears twice")
    return document


def _no_constant(text: str) -> Any:  # noqa: ANN401 - it never returns
    raise ValueError(f"{text} is no number of JSON")
