"""The figures of shape that docs/inside.md states, held for every module of the package."""

import ast
import statistics
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "src" / "ascend_wheelhouse"
TREES = {path: ast.parse(path.read_text("utf-8")) for path in sorted(PACKAGE.rglob("*.py"))}
Function = ast.FunctionDef | ast.AsyncFunctionDef


def _functions() -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for path, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, Function):
                yield f"{path.relative_to(PACKAGE)}:{node.name}", node


def _lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return the lines of a function without its docstring, which may be as long as it needs."""
    text = ast.get_docstring(node, clean=False)
    return (node.end_lineno or 0) - node.lineno + 1 - (text.count("\n") + 1 if text else 0)


def test_no_module_has_more_than_360_lines() -> None:
    long = {str(path.relative_to(PACKAGE)): len(path.read_text("utf-8").splitlines()) for path in TREES}
    assert {name: size for name, size in long.items() if size > 360} == {}


def test_no_function_has_more_than_40_lines_and_half_have_at_most_10() -> None:
    sizes = {name: _lines(node) for name, node in _functions()}
    assert {name: size for name, size in sizes.items() if size > 40} == {}
    assert statistics.median(sizes.values()) <= 10


def test_every_module_says_what_it_is_for() -> None:
    silent = [path for path, tree in TREES.items() if not ast.get_docstring(tree)]
    assert [str(path.relative_to(PACKAGE)) for path in silent] == []
