"""Reading a matrix: axes, what is left out of their product, and what comes on top; from a file or from options.

Every fault of the text is found in one pass. Where a line is no TOML, it is left out and the rest is read as well.
"""

from __future__ import annotations

import codecs
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ascend_wheelhouse.base import toml_text
from ascend_wheelhouse.base.errors import UsageError
from ascend_wheelhouse.base.toml_fault import meant, of_type, shown
from ascend_wheelhouse.cells.stack import Catalogue
from ascend_wheelhouse.matrix.axes import fault_of
from ascend_wheelhouse.matrix.faults import MatrixFault, Source
from ascend_wheelhouse.matrix.names import AXES

_KEYS = ("axes", "exclude", "include")
_AT = re.compile(r"\(at line (\d+), column \d+\)")
_SYNTAX_FAULTS = 20
_STRING = "string_type"


class MatrixUnreadableError(UsageError):
    """The file of a matrix is not there, or cannot be read."""


@dataclass(frozen=True, kw_only=True)
class MatrixEntry:
    """One `[[include]]` or `[[exclude]]`: its key path, and its values that can be used."""

    path: tuple[str | int, ...]
    values: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Spec:
    """What a matrix says, faulty parts left out.

    Args:
        source: Where it was read from.
        data: All of it, as it stands there.
        axes: The values of each axis.
        exclude: What is left out of the product.
        include: What comes on top.
        unsound: Values of axes that are told as faults: a cell with one is not looked at further.
        faults: What is wrong so far.
    """

    source: Source
    data: Mapping[str, Any]
    axes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    exclude: tuple[MatrixEntry, ...] = ()
    include: tuple[MatrixEntry, ...] = ()
    unsound: frozenset[tuple[str, str]] = frozenset()
    faults: tuple[MatrixFault, ...] = ()


def read_spec(path: Path, catalogue: Catalogue) -> Spec:
    """Return what a file says.

    Args:
        path: The file.
        catalogue: The stacks that there are.

    Raises:
        MatrixUnreadableError: It cannot be read.
    """
    try:
        data = path.read_bytes().removeprefix(codecs.BOM_UTF8)
    except OSError as error:
        absent = isinstance(error, FileNotFoundError)
        shown = "" if absent else f"`ls -ld {shlex.quote(str(path))}` shows what lies there. "
        raise MatrixUnreadableError(
            f"{path} cannot be read: {error.strerror or error}.",
            why=f"{shown}A matrix is matrix.toml in the project folder, another file with --file, or axes as options.",
            next_step="invoke matrix --npu a3 --npu 910b, or: invoke matrix --file FILE",
        ) from error
    return _spec(Source(name=str(path), text=data.decode(errors="replace")), *_parsed(data), catalogue)


def options_spec(axes: Mapping[str, list[str]], catalogue: Catalogue) -> Spec:
    """Return the matrix that options of the command line mean: the product of their values."""
    return _spec(Source(), {"axes": axes}, [], catalogue)


def _parsed(data: bytes) -> tuple[dict[str, Any], list[MatrixFault]]:
    """Return what a text says, and each place where it is no TOML: a line of a key at fault is left out."""
    faults: list[MatrixFault] = []
    lines = data.split(b"\n")
    for _ in range(_SYNTAX_FAULTS):
        try:
            return toml_text.parse(b"\n".join(lines)), faults
        except toml_text.NotTomlError as error:
            found = _AT.search(str(error))
            number = int(found[1]) if found else 0
            faults.append(MatrixFault((), str(error), "syntax", number))
            if not 0 < number <= len(lines) or lines[number - 1].lstrip()[:1] in {b"[", b""}:
                break
            lines[number - 1] = b""
    return {}, faults


def _spec(source: Source, data: dict[str, Any], faults: list[MatrixFault], catalogue: Catalogue) -> Spec:
    unread = bool(faults) and not data
    faults += [MatrixFault((key,), _unknown(key, _KEYS), "unknown-key") for key in data if key not in _KEYS]
    axes, unsound = _axes(data.get("axes", {}), catalogue, faults)
    entries = {key: tuple(_entries(key, data.get(key, []), catalogue, faults)) for key in _KEYS[1:]}
    if not (unread or data.get("axes") or data.get("include")):
        faults.append(MatrixFault((), "names no cell: it needs [axes], [[include]] or both", "missing-key"))
    return Spec(
        source=source,
        data=data,
        axes=axes,
        exclude=entries["exclude"],
        include=entries["include"],
        unsound=frozenset(unsound),
        faults=tuple(faults),
    )


def _unknown(word: str, known: tuple[str, ...]) -> str:
    near = meant(word, known)
    proposal = f"did you mean {near}? " if near else ""
    return f"unknown key, {proposal}allowed are {', '.join(known)}"


def _axes(
    table: object, catalogue: Catalogue, faults: list[MatrixFault]
) -> tuple[dict[str, tuple[str, ...]], set[tuple[str, str]]]:
    axes: dict[str, tuple[str, ...]] = {}
    unsound: set[tuple[str, str]] = set()
    if not isinstance(table, dict):
        faults.append(MatrixFault(("axes",), of_type(table, "dict_type"), "type"))
        return axes, unsound
    for axis, given in table.items():
        if axis not in AXES:
            faults.append(MatrixFault(("axes", axis), _unknown(axis, AXES), "unknown-key"))
            continue
        found = list(_values(axis, given, catalogue, faults, unsound))
        axes[axis] = tuple(dict.fromkeys(found))
    return axes, unsound


def _values(
    axis: str,
    given: object,
    catalogue: Catalogue,
    faults: list[MatrixFault],
    unsound: set[tuple[str, str]],
) -> Iterator[str]:
    """Yield the values of an axis, one or a list of them."""
    path: tuple[str | int, ...] = ("axes", axis)
    if isinstance(given, dict):
        faults.append(MatrixFault(path, of_type(given, "list_type"), "type"))
        return
    if given == []:
        faults.append(
            MatrixFault(path, "is empty, so that the product is: name a value, or leave the axis out")
        )
    seen: set[str] = set()
    for number, value in enumerate(given if isinstance(given, list) else [given]):
        place = (*path, number) if isinstance(given, list) else path
        if not isinstance(value, str):
            faults.append(MatrixFault(place, of_type(value, _STRING), "type"))
            continue
        if value in seen:
            faults.append(MatrixFault(place, f"{shown(value)} stands twice, once is enough", "twice"))
        elif text := fault_of(axis, value, catalogue):
            faults.append(MatrixFault(place, text))
            unsound.add((axis, value))
        seen.add(value)
        yield value


def _entries(
    key: str, given: object, catalogue: Catalogue, faults: list[MatrixFault]
) -> Iterator[MatrixEntry]:
    """Yield the sound entries of a list of tables."""
    if not isinstance(given, list):
        faults.append(MatrixFault((key,), of_type(given, "list_type"), "type"))
        return
    for number, table in enumerate(given):
        path = (key, number)
        if not isinstance(table, dict):
            faults.append(MatrixFault(path, of_type(table, "dict_type"), "type"))
            continue
        found = [
            fault for axis, value in table.items() for fault in _entry(key, path, axis, value, catalogue)
        ]
        if not table:
            found = [MatrixFault(path, f"is empty, needs at least one of {', '.join(AXES)}")]
        faults += found
        if not found:
            yield MatrixEntry(path=path, values=table)


def _entry(
    key: str, path: tuple[str | int, ...], axis: str, value: object, catalogue: Catalogue
) -> Iterator[MatrixFault]:
    place = (*path, axis)
    if axis not in AXES:
        yield MatrixFault(place, _unknown(axis, AXES), "unknown-key")
    elif not isinstance(value, str):
        yield MatrixFault(place, of_type(value, _STRING), "type")
    elif key == "include" and (text := fault_of(axis, value, catalogue)):
        yield MatrixFault(place, text)
