from __future__ import annotations

import re
from pathlib import Path

import pytest

from ascend_wheelhouse.cells.stack import load_catalogue

ROOT = Path(__file__).parents[2]
RECIPES = load_catalogue(ROOT / "recipes").recipes
PACKAGES = {name.template for one in RECIPES.values() for name in one.names}
ARCHIVES = {name.template for one in RECIPES.values() for name in one.archives}


@pytest.mark.parametrize("template", sorted(PACKAGES | ARCHIVES))
def test_every_name_that_is_recognised_stands_in_the_list(template: str) -> None:
    """A reader of the list downloads by it."""
    form = "".join(
        r"[\w.]+?" if part.startswith("{") else re.escape(part) for part in re.split(r"(\{\w+\})", template)
    )
    assert re.search(f"`{form}`", (ROOT / "docs/vendor.md").read_text("utf-8"))
