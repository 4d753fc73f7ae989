"""`invoke recipes`: checks every recipe and stack, lists them, and writes their JSON Schema."""

from __future__ import annotations

import json as json_module
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.version import Version
from pydantic import BaseModel

from ascend_wheelhouse import console
from ascend_wheelhouse.base.layered import Layered
from ascend_wheelhouse.base.packaged import recipes_of
from ascend_wheelhouse.base.whole_file import write_whole
from ascend_wheelhouse.cells.recipe import Recipe
from ascend_wheelhouse.cells.stack import Catalogue, Stack, load_catalogue

SCHEMAS: dict[str, type[BaseModel]] = {"recipe.schema.json": Recipe, "stack.schema.json": Stack}


@dataclass(frozen=True, kw_only=True)
class RecipesOptions:
    """What `invoke recipes` was asked for.

    Args:
        root: The project folder.
        schema: Write the JSON Schemas of recipes and stacks into `recipes/` instead.
        json: Print one JSON document.
    """

    root: Path
    schema: bool = False
    json: bool = False


def main(options: RecipesOptions) -> None:
    """Check and list recipes and stacks, or write their schemas."""
    if options.schema:
        for path in write_schemas(options.root / "recipes"):
            console.line(str(path.relative_to(options.root)))
        return
    catalogue = load_catalogue(recipes_of(options.root))
    if options.json:
        console.print_json(as_document(catalogue))
    else:
        _show(catalogue)


def write_schemas(folder: Path) -> list[Path]:
    """Write the schemas of recipes and stacks and return their paths."""
    written = []
    folder.mkdir(parents=True, exist_ok=True)
    for name, model in SCHEMAS.items():
        path = folder / name
        write_whole(path, schema_text(model))
        written.append(path)
    return written


def schema_text(model: type[BaseModel]) -> str:
    """Return the JSON Schema of a model as text."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **model.model_json_schema()}
    return json_module.dumps(schema, indent=1, sort_keys=True) + "\n"


def as_document(catalogue: Catalogue) -> dict[str, Any]:
    """Return what `--json` prints."""
    return {
        "recipes": {name: recipe.model_dump() for name, recipe in catalogue.recipes.items()},
        "stacks": {stack.name: stack.model_dump() for stack in catalogue.stacks},
        "from": {name: _layer(name, catalogue.folder) for name in catalogue.folder.named("**/*.toml")},
    }


def _layer(name: str, folder: Layered) -> str:
    """Return who has a file: the project, or the package below it."""
    return "project" if folder.file(name).is_relative_to(folder.own) else "package"


def _with_layers(
    columns: Sequence[str], rows: Iterable[tuple[str, Sequence[str]]], folder: Layered
) -> tuple[list[str], list[list[str]]]:
    """Return a table with a column that says where each file comes from, where it can be from two places."""
    if len(folder.folders) == 1:
        return [*columns], [[*row] for _, row in rows]
    return [*columns, "from"], [[*row, _layer(name, folder)] for name, row in rows]


def _show(catalogue: Catalogue) -> None:
    columns, rows = _with_layers(
        ["torch", "CANN", "torch_npu", "triton-ascend", "chips", "stack"],
        _stacks(catalogue),
        catalogue.folder,
    )
    console.table(columns, rows)
    console.line()
    columns, rows = _with_layers(
        ["component", "kind", "origins", "what it is"], _components(catalogue), catalogue.folder
    )
    console.table(columns, rows)


def _stacks(catalogue: Catalogue) -> list[tuple[str, list[str]]]:
    return [
        (
            f"stacks/{stack.name}.toml",
            [
                stack.torch + (" (default)" if stack.default else ""),
                stack.cann,
                stack.components["torch-npu"],
                stack.components["triton-ascend"],
                " ".join(stack.npus),
                stack.summary,
            ],
        )
        for stack in sorted(catalogue.stacks, key=lambda stack: (Version(stack.torch), not stack.default))
    ]


def _components(catalogue: Catalogue) -> list[tuple[str, list[str]]]:
    return [
        (
            f"{one.name}.toml",
            [one.name, one.kind, " ".join(dict.fromkeys(o.kind for o in one.origins)), one.summary],
        )
        for one in catalogue.recipes.values()
    ]
