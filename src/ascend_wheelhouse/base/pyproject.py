"""A `pyproject.toml` that a stranger wrote: parsed, and held to what PEP 518 and PEP 621 say of the keys used here."""

from __future__ import annotations

from typing import Any

from packaging.requirements import Requirement

from ascend_wheelhouse.base import toml_text
from ascend_wheelhouse.base.errors import IntegrityError
from ascend_wheelhouse.node import documents


class BadProjectFileError(IntegrityError):
    """A source's project file is none, or the archive that holds it cannot be read."""


def requirement(value: object) -> bool:
    """A requirement of PEP 508."""
    try:
        return isinstance(value, str) and bool(Requirement(value))
    except ValueError:
        return False


SHAPE = {
    "build-system?": {"requires?": [requirement], "build-backend?": str},
    "project?": {"dependencies?": [requirement], "optional-dependencies?": {...: [requirement]}},
}


def parse(data: bytes, label: str) -> dict[str, Any]:
    """Return what a project file says; `label` names its source in the error.

    Raises:
        BadProjectFileError: It is not TOML, or not of its shape.
    """
    try:
        document = toml_text.parse(data)
        fault = documents.fault(document, SHAPE)
    except toml_text.NotTomlError as error:
        fault = str(error)
    if fault:
        raise bad(label, fault)
    return document


def bad(label: str, fault: str) -> BadProjectFileError:
    """Return the error for a source whose project file cannot be read."""
    return BadProjectFileError(
        f"{label} holds no project file that can be read: {fault}.",
        why="The archive is damaged, or its project file does not follow PEP 518 and PEP 621.",
        next_step="take another release, or tell the project",
    )
