"""A plug-in of fixtures is loaded for the whole suite: of two fixtures of one name, the one loaded last would win."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

SUPPORT = Path(__file__).parents[1] / "support"


def _fixtures(path: Path) -> list[str]:
    """Return the names of the fixtures that a module defines."""
    return [
        one.name
        for one in ast.parse(path.read_text("utf-8")).body
        if isinstance(one, ast.FunctionDef)
        and any(ast.unparse(mark).startswith("pytest.fixture") for mark in one.decorator_list)
    ]


def test_no_two_plug_ins_have_a_fixture_of_one_name() -> None:
    names = Counter(name for path in SUPPORT.glob("*_fixtures.py") for name in _fixtures(path))
    assert names
    assert {name for name, count in names.items() if count > 1} == set()
