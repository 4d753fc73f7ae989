"""Zip archives are read by one class, which bounds and refuses; nodes, which stand alone, read proven ones."""

import ast
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "src" / "ascend_wheelhouse"
READER = "base/archives.py"


def opened_for_reading(path: Path) -> Iterator[int]:
    """Yield the lines that make, or derive from, a `ZipFile` and do not say that they write."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call) and _is_zip_file(node.func):
            writes = any(isinstance(one, ast.Constant) and one.value == "w" for one in node.args)
            if not writes:
                yield node.lineno
        elif isinstance(node, ast.ClassDef) and any(map(_is_zip_file, node.bases)):
            yield node.lineno


def _is_zip_file(node: ast.expr) -> bool:
    return ast.unparse(node).rpartition(".")[2] == "ZipFile"


def test_one_class_alone_reads_zip_archives() -> None:
    names = [path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py")]
    found = {name for name in names if any(opened_for_reading(PACKAGE / name))}
    assert {name for name in found if not name.startswith("node/")} == {READER}
