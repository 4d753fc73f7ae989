"""What a component's publisher states of the node that it runs on: drivers, and Python packages of its own tools.

A recipe holds the rows, each with its source; the wheelhouse's manifest carries the one that holds for its cell, so
that the doctor on a node compares with it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import AfterValidator

from ascend_wheelhouse.base.toml_fault import shown
from ascend_wheelhouse.base.toml_file import FileModel
from ascend_wheelhouse.cells.cell import Cell
from ascend_wheelhouse.cells.condition import When
from ascend_wheelhouse.cells.file_values import Once, RequirementText, Text


def _line(text: str) -> str:
    if not all(part.isascii() and part.isdigit() for part in text.split(".")) or text.count(".") != 1:
        raise ValueError(f"is {shown(text)}, must be a line of driver releases such as 25.3")
    return text


class NodeNeeds(FileModel):
    """One row.

    Args:
        when: The cells that it is about.
        hdk: Lines of driver releases (Ascend HDK) that the component is stated to run with; empty where none is.
        python: Requirements of its own Python tools; empty where upstream names no bound.
        source: Where that is stated.
    """

    when: When = {}
    hdk: Annotated[list[Annotated[str, AfterValidator(_line)]], Once] = []
    python: Annotated[list[RequirementText], Once] = []
    source: Text


def as_manifest(rows: Iterable[NodeNeeds], cell: Cell) -> dict[str, Any]:
    """Return the row that holds for a cell as the manifest has it, or nothing."""
    row = next((row for row in rows if cell.holds(row.when)), None)
    return {} if row is None else {"hdk": row.hdk, "python": row.python, "source": row.source}
