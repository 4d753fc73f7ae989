from __future__ import annotations

import ast
from pathlib import Path

from ascend_wheelhouse.base import errors
from ascend_wheelhouse.node import errors as node_errors

PACKAGE = Path(errors.__file__).parents[1]


def test_an_error_of_a_node_is_one_of_those_that_every_command_shows() -> None:
    kinds = [kind for kind in vars(node_errors).values() if isinstance(kind, type)]
    assert {kind.__name__ for kind in kinds if not issubclass(kind, errors.WheelhouseError)} == set()
    assert {kind for kind in kinds if getattr(errors, kind.__name__, None) is not kind} == set()


def test_each_exit_code_is_stated_by_one_class() -> None:
    stated = [
        ast.literal_eval(line.value)
        for path in sorted(PACKAGE.rglob("*.py"))
        for kind in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(kind, ast.ClassDef)
        for line in kind.body
        if isinstance(line, ast.Assign) and ast.unparse(line.targets[0]) == "exit_code"
    ]
    assert sorted(stated) == sorted({*stated}) == [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 70]


def test_an_error_reads_as_what_why_and_next() -> None:
    error = node_errors.HostUnfitError("No disk.", why="It is full.", next_step="free 3 GiB")
    assert str(error) == "No disk.\n\nIt is full.\n\nNext: free 3 GiB"
    assert error.as_dict()["exit_code"] == 10
