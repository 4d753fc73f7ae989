"""Every module of tests is among those that a run of all of them takes: pytest passes over some names of folders."""

from __future__ import annotations

import fnmatch
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]


def test_no_folder_of_tests_has_a_name_that_pytest_passes_over(pytestconfig: pytest.Config) -> None:
    passed_over = pytestconfig.getini("norecursedirs")
    folders = {parent for path in TESTS.rglob("test_*.py") for parent in path.relative_to(TESTS).parents}
    parts = {part for folder in folders for part in folder.parts}
    assert "build" in parts
    assert not [part for part in parts for name in passed_over if fnmatch.fnmatch(part, name)]
