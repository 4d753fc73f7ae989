"""A manifest that states as a version what is none."""

from dataclasses import replace
from pathlib import Path

import pytest

from ascend_wheelhouse.audit import cell
from ascend_wheelhouse.audit.facts import WheelFacts
from ascend_wheelhouse.audit.policy import policy_from_recipes
from ascend_wheelhouse.cells.compatibility import load_compatibility
from ascend_wheelhouse.cells.stack import load_catalogue
from ascend_wheelhouse.cells.target import Target

RECIPES = Path(__file__).parents[2] / "recipes"


@pytest.mark.parametrize("stated", [" ", "banana", "9" * 5000])
def test_a_cell_that_states_no_version_is_a_finding(stated: str) -> None:
    policy = policy_from_recipes(
        load_catalogue(RECIPES), load_compatibility(RECIPES), Target.named("aarch64")
    )
    wheel = WheelFacts(file="torch-2.8.0-py3-none-any.whl", sha256="1" * 64, name="torch", version="2.8.0")
    found = cell.check([wheel], replace(policy, cell={"torch": stated}))
    assert "not-as-stated" in {finding.rule for finding in found}
