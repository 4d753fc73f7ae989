"""`audit.json` of a wheelhouse: what the audit found when it was made, as `invoke audit --json` prints it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ascend_wheelhouse.node import documents
from ascend_wheelhouse.node.reading.contents import schema_that_this_version_reads
from ascend_wheelhouse.pages.bill import UnreadablePartError

NAME = "audit.json"
_SHAPE = {
    "schema": schema_that_this_version_reads,
    "clean": bool,
    "wheels": [str],
    "checks": {...: {...: int}},
    "findings": [
        {
            "check": str,
            "rule": str,
            "severity": str,
            "wheel": str,
            "member": str,
            "message": str,
            "evidence": str,
            "repair": str,
        }
    ],
}


def written(report: Mapping[str, Any]) -> bytes:
    """Return the bytes of the file for what a report says of itself."""
    return (json.dumps(report, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def read(folder: Path) -> Mapping[str, Any] | None:
    """Return what the audit found, None where the wheelhouse was made without.

    Raises:
        UnreadablePartError: The file was changed.
    """
    path = folder / NAME
    if not path.is_file():
        return None
    try:
        found: dict[str, Any] = documents.read_file(path, _SHAPE)
    except documents.UnsoundError as error:
        raise UnreadablePartError(path, error) from error
    return found
