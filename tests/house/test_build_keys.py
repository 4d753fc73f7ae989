"""A wheel that an older version built is taken where its key is the same: `SCHEMA` of the keys stands for this code."""

from __future__ import annotations

import ast
import hashlib
import json
from pathlib import Path

from ascend_wheelhouse.build.keys import SCHEMA

PROGRAM = Path(__file__).parents[2] / "src/ascend_wheelhouse"
RECORD = Path(__file__).parent / "deciding_code.json"
MODULES = (
    "build/auditing.py",
    *("build/clock_shim.py", "build/grafts.py", "build/image_libraries.py", "build/normalise.py"),
    "build/object_cache.py",
    *("build/patches.py", "build/repair.py", "build/settle.py", "build/shims.py", "build/symbol_floor.py"),
    "wheels/grafted.py",
)
"""What can change the bytes of a wheel between its source and the store, beside what the key names."""


def meaning(source: str) -> str:
    """Return the digest of a module's code, without comments, docstrings and its layout."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [  # type: ignore[attr-defined]
                one
                for one in body
                if not (
                    isinstance(one, ast.Expr)
                    and isinstance(one.value, ast.Constant)
                    and isinstance(one.value.value, str)
                )
            ]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()[:16]


def test_code_that_decides_the_bytes_of_a_wheel_changes_with_a_look_at_the_keys() -> None:
    """Where it fails: raise `SCHEMA` if a wheel can come out otherwise, then record what is printed here."""
    found = {name: meaning((PROGRAM / name).read_text("utf-8")) for name in MODULES}
    now = {"schema": SCHEMA, "modules": found}
    assert json.loads(RECORD.read_text("utf-8")) == now, json.dumps(now, indent=2)


def test_words_about_the_code_do_not_count_and_the_code_does() -> None:
    text = 'def f() -> int:\n    """One."""\n    return 1\n'
    assert meaning(text) == meaning("def f() -> int:\n    # more\n    return 1\n")
    assert meaning(text) != meaning(text.replace("1", "2"))
