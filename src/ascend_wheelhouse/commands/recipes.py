"""`invoke recipes`: checks every recipe and stack, lists them, and writes their JSON Schema."""

from __future__ import annotations

import json as json_module
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.version import Version
from pydantic import BaseModel

from ascend_wheelhouse import console
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
    folder = options.root / "recipes"
    if options.schema:
        for path in write_schemas(folder):
            console.line(str(path.relative_to(options.root)))
        return
    catalogue = load_catalogue(folder)
    if options.json:
        console.print_json(as_document(catalogue))
    else:
        _show(catalogue)


def write_schemas(folder: Path) -> list[Path]:
    """Write the schemas of recipes and stacks and return their paths."""
    written = []
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
    }


def _show(catalogue: Catalogue) -> None:
    rows = [
        [
            stack.torch + (" (default)" if stack.default else ""),
            stack.cann,
            stack.components["torch-npu"],
            stack.components["triton-ascend"],
            " ".join(stack.npus),
            stack.summary,
        ]
        for stack in sorted(catalogue.stacks, key=lambda stack: (Version(stack.torch), not stack.default))
    ]
    console.table(["torch", "CANN", "torch_npu", "triton-ascend", "chips", "stack"], rows)
    console.line()
    recipes = catalogue.recipes.values()
    origins = [
        [one.name, one.kind, " ".join(dict.fromkeys(o.kind for o in one.origins)), one.summary]
        for one in recipes
    ]
    console.table(["component", "kind", "origins", "what it is"], origins)
