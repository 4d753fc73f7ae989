"""A `pyproject.toml` that a stranger wrote, read out of a source archive: bounded, and held to PEP 518 and PEP 621."""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement

from ascend_wheelhouse import toml_text
from ascend_wheelhouse.archives import telling
from ascend_wheelhouse.errors import IntegrityError
from ascend_wheelhouse.node import documents

_LARGEST = 4 << 20


class BadProjectFileError(IntegrityError):
    """A source archive cannot be read, or its project file is none."""


def requirement(value: object) -> bool:
    """A requirement of PEP 508."""
    try:
        return isinstance(value, str) and bool(Requirement(value))
    except InvalidRequirement:
        return False


SHAPE = {
    "build-system?": {"requires?": [requirement], "build-backend?": str},
    "project?": {"dependencies?": [requirement], "optional-dependencies?": {...: [requirement]}},
}


def parse(data: bytes, label: str) -> dict[str, Any]:
    """Return what a project file says.

    Raises:
        BadProjectFileError: It is not TOML, or not of its shape.
    """
    try:
        document = toml_text.parse(data)
        fault = documents.fault(document, SHAPE)
    except toml_text.NotTomlError as error:
        fault = str(error)
    if fault:
        raise _bad(label, fault)
    return document


def member(sdist: Path, fits: Callable[[PurePosixPath], bool], label: str) -> bytes | None:
    """Return the first file of a source archive whose path below the archive's own folder fits, or None.

    Raises:
        BadProjectFileError: The archive cannot be read, or the file is longer than 4 MiB.
    """
    with telling(lambda fault: _bad(label, fault)), tarfile.open(sdist) as archive:
        for one in archive:
            inside = PurePosixPath(*PurePosixPath(one.name).parts[1:])
            if one.isfile() and fits(inside) and (stream := archive.extractfile(one)):
                if one.size > _LARGEST:
                    raise _bad(label, f"{one.name} has {one.size} bytes")
                return stream.read()
    return None


def _bad(label: str, fault: str) -> BadProjectFileError:
    return BadProjectFileError(
        f"{label} holds no project file that can be read: {fault}.",
        why="The archive is damaged, or its project file does not follow PEP 518 and PEP 621.",
        next_step="take another release, or tell the project",
    )
