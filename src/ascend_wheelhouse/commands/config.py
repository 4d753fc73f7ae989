"""`invoke config`: which default holds for each option, and where it comes from."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from ascend_wheelhouse import console
from ascend_wheelhouse.base import settings
from ascend_wheelhouse.base.settings import Found, Settings
from ascend_wheelhouse.origins.mirrors import VARIABLE as MIRRORS
from ascend_wheelhouse.store.root import default_root

_STACKS = "the stack's"
_NONE = "none"
_OF_STACKS = {"torch", "cann", "sglang"}


@dataclass(frozen=True, kw_only=True)
class ConfigOptions:
    """What `invoke config` was asked for.

    Args:
        built_in: What holds where nothing is said, as far as that is one value.
        json: Print one JSON document.
    """

    built_in: Mapping[str, str] = field(default_factory=dict)
    json: bool = False


def main(options: ConfigOptions) -> None:
    """Show every setting, its value and the place that says it."""
    now = settings.current()
    rows = _rows(now, {**options.built_in, "store": str(default_root())})
    if options.json:
        console.print_json({"settings": rows, "files": _files(now)})
        return
    shown = [
        [key, row["value"] or (_STACKS if key in _OF_STACKS else _NONE), _where(row)]
        for key, row in rows.items()
    ]
    console.table(["setting", "value", "from"], shown)
    console.line()
    for place in now.places:
        if place.path:
            console.line(f"{place.name}: {place.path}, {'read' if place.path.is_file() else 'not there'}")


def _rows(now: Settings, built_in: Mapping[str, str]) -> dict[str, dict[str, str]]:
    found = now.found()
    if found.keys() & {"app", "stack"}:
        built_in = {**built_in, "torch": ""}
    rows = {key: _row(key, found.get(key), built_in) for key in settings.KEYS if key != "mirrors"}
    for place in reversed(now.places):
        for source, target in place.mirrors.items():
            rows[f"mirrors.{source}"] = {"value": target, "from": place.name, "file": str(place.path or "")}
    if chosen := os.environ.get(MIRRORS, "").strip():  # it stands in place of every file
        rows = {key: row for key, row in rows.items() if not key.startswith("mirrors.")}
        rows["mirrors"] = {"value": chosen, "from": "environment", "file": MIRRORS}
    return rows


def _row(key: str, found: Found | None, built_in: Mapping[str, str]) -> dict[str, str]:
    if found is None:
        return {"value": built_in.get(key, ""), "from": "built in", "file": ""}
    value = (
        built_in["store"] if key == "store" else found.value
    )  # where it is, from whatever folder it was named
    file = settings.variable(key) if found.place.name == "environment" else str(found.place.path or "")
    return {"value": value, "from": found.place.name, "file": file}


def _where(row: Mapping[str, str]) -> str:
    """The place; of the environment with its variable, since the files stand below the table."""
    return f"{row['from']} ({row['file']})" if row["from"] == "environment" else row["from"]


def _files(now: Settings) -> dict[str, bool]:
    return {str(place.path): place.path.is_file() for place in now.places if place.path}
