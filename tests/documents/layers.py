"""Draws the layers that pyproject.toml allows, for docs/inside.md: `python tests/documents/layers.py` rewrites them."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "inside.md"
START, END = "<!-- layers: made from pyproject.toml -->\n", "<!-- end of layers -->\n"


def allowed() -> list[list[str]]:
    """Return the layers from the top down, the packages of each."""
    table = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
    contract = next(one for one in table["contracts"] if one["type"] == "layers")
    return [[name.strip() for name in layer.split("|")] for layer in contract["layers"]]


def purpose(package: str) -> str:
    """Return the first sentence of a package's docstring."""
    source = (ROOT / "src/ascend_wheelhouse" / package / "__init__.py").read_text("utf-8")
    text = ast.get_docstring(ast.parse(source)) or ""
    return text.partition("\n\n")[0].replace("\n", " ").rstrip(".")


def drawn() -> str:
    """Return the layers as a block of text, one package a line, what may import what falling downward."""
    lines = []
    for number, layer in enumerate(allowed()):
        lines += [f"    {'|' if number else ' '}"] if number else []
        lines += [f"    {name:<10} {purpose(name)}" for name in layer]
    return "\n" + "\n".join(lines) + "\n\n"


def replaced(text: str) -> str:
    """Return a document with its drawing made anew."""
    before, _, rest = text.partition(START)
    _, _, after = rest.partition(END)
    return before + START + drawn() + END + after


if __name__ == "__main__":
    DOCUMENT.write_text(replaced(DOCUMENT.read_text("utf-8")), encoding="utf-8")
