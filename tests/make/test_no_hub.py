"""No step of making a wheelhouse knows most of the program."""

from __future__ import annotations

import ast
from pathlib import Path

import ascend_wheelhouse
from ascend_wheelhouse import make

PACKAGE = Path(make.__file__).parent
SOURCE = Path(ascend_wheelhouse.__file__).parents[1]
MOST = 12


def _imported(path: Path) -> set[str]:
    """Return the modules of ours that a module imports, those for annotations and inside functions too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ascend_wheelhouse"):
            for name in node.names:
                whole = f"{node.module}.{name.name}"
                is_module = (SOURCE / f"{whole.replace('.', '/')}.py").is_file()
                found.add(whole if is_module else str(node.module))
    return found


def test_no_module_of_make_imports_more_than_twelve_others() -> None:
    counted = {path.name: len(_imported(path)) for path in PACKAGE.glob("*.py")}
    assert counted["make.py"] > 0
    assert {name: count for name, count in counted.items() if count > MOST} == {}
