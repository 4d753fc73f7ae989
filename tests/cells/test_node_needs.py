"""What CANN is stated to run with: rows of the recipe, the cell's own in the manifest, committed locks held to it."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from ascend_wheelhouse.cells import node_needs
from ascend_wheelhouse.cells.node_needs import NodeNeeds
from ascend_wheelhouse.cells.stack import cell_of, load_catalogue
from ascend_wheelhouse.cells.target import Target
from ascend_wheelhouse.folder.manifest import needs_of_node
from ascend_wheelhouse.locks.pylock import load_pylock
from ascend_wheelhouse.node.host.requirement import split_requirement, within

ROOT = Path(__file__).parents[2]
LOCKS = sorted((ROOT / "lockfiles").glob("*/pylock.*.toml"))
RULED_OUT = {
    "8.3": {"numpy", "protobuf"},  # decord2 needs numpy>=1.26.4, grpcio-tools==1.75.1 protobuf>=6.31.1
    "8.5": {"protobuf"},
    "9.0": {"protobuf"},
    "9.1": set[str](),
    "9.2": set[str](),
}
"""What SGLang's own pins rule out of what CANN asks, by CANN's line; the recipe says so, and the doctor on a node."""


def needs(cann: str) -> dict[str, Any]:
    catalogue = load_catalogue(ROOT / "recipes")
    stack = next((stack for stack in catalogue.stacks if stack.cann == cann), catalogue.stacks[0])
    cell = replace(cell_of(stack, Target.named("aarch64"), catalogue), cann=cann)
    return needs_of_node(cell, catalogue.recipes)


@pytest.mark.parametrize(
    ("cann", "oldest", "numpy"),
    [("8.3.RC2", "25.3", "<=1.24"), ("8.5.0", "25.0", "<2.0"), ("9.1.0", "25.2", ""), ("9.2.0", "25.3", "")],
)
def test_the_row_of_the_cells_cann_goes_into_the_manifest(cann: str, oldest: str, numpy: str) -> None:
    row = needs(cann)
    assert row["hdk"][0] == oldest
    assert f"numpy>=1.19.2{numpy and ','}{numpy}" in row["python"]
    assert "hiascend.com" in str(row["source"])


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: f"{path.parent.name}-{path.name.split('.')[1]}")
def test_every_committed_lock_is_what_canns_tools_ask_but_for_what_sglang_rules_out(path: Path) -> None:
    found = re.search(r"-cann([\w.]+)-", path.parent.name)
    assert found
    locked = {file.name: file.version for file in load_pylock(path).files}
    row = needs(found[1].upper())["python"]
    wanted = dict(split_requirement(need) for need in row)
    outside = {name for name, bounds in wanted.items() if name in locked and not within(locked[name], bounds)}
    assert outside == RULED_OUT[found[1][:3]]


@pytest.mark.parametrize("hdk", [["25"], ["25.3.rc1"], ["x"], ["25.3", "25.3"]])
def test_a_line_of_drivers_is_two_numbers_and_named_once(hdk: list[str]) -> None:
    with pytest.raises(ValidationError):
        NodeNeeds(hdk=hdk, source="a page")


def test_a_cell_of_which_nothing_is_stated_has_no_row() -> None:
    catalogue = load_catalogue(ROOT / "recipes")
    cell = cell_of(next(iter(catalogue.stacks)), Target.named("aarch64"), catalogue)
    assert node_needs.as_manifest([], cell) == {}
