"""The cells of a matrix that was checked, kept so that the next run knows them without reading recipes.

They follow from the matrix and from what `freshness.given_digest` covers. Where either has changed, nothing is known.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from ascend_wheelhouse.base import rights
from ascend_wheelhouse.base.whole_file import write_whole
from ascend_wheelhouse.make import freshness
from ascend_wheelhouse.matrix.names import AXES
from ascend_wheelhouse.node import documents

_STATE = {"inputs": documents.sha256, "cells": [{"name": str, "values": {...: str}}]}


@dataclass(frozen=True, kw_only=True)
class KeptCell:
    """One cell.

    Args:
        name: Its wheelhouse, or its options where an index is asked for versions.
        values: What the matrix says of it, by the axis.
    """

    name: str
    values: Mapping[str, str]


def state_file(output: Path, file: Path | None, axes: Mapping[str, list[str]]) -> Path:
    """Return where the cells of a matrix are kept."""
    key = freshness.request_key({"file": str(file and file.absolute()), "axes": axes})
    return output / ".state" / f"matrix-{key}.json"


def inputs_of(given: str, file: Path | None) -> str:
    """Return the digest of what the cells follow from; empty where the matrix cannot be read.

    Args:
        given: `freshness.given_digest`.
        file: The matrix; None where options say it.
    """
    try:
        text = documents.bytes_of(file) if file else b""
    except OSError:
        return ""
    return hashlib.sha256(f"{given} {hashlib.sha256(text).hexdigest()}".encode()).hexdigest()


def keep(state: Path, inputs: str, cells: Iterable[KeptCell]) -> None:
    """Keep the cells of a matrix that was found good."""
    rights.make_folder(state.parent.parent, state.parent.name)
    record = {"inputs": inputs, "cells": [asdict(cell) for cell in cells]}
    write_whole(state, json.dumps(record, sort_keys=True))


def kept(state: Path, inputs: str) -> list[KeptCell] | None:
    """Return the cells of a matrix; None where they are not kept, or follow from something else."""
    try:
        record = documents.read_file(state, _STATE)
    except (OSError, documents.UnsoundError):
        return None
    cells = [KeptCell(name=one["name"], values=one["values"]) for one in record["cells"]]
    sound = all(cell.values.keys() <= set(AXES) for cell in cells)
    return cells if sound and inputs and record["inputs"] == inputs else None
