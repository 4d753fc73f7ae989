"""`invoke vendored`: lists the imported files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ascend_wheelhouse import console
from ascend_wheelhouse.console import words as forms
from ascend_wheelhouse.store.store import Store
from ascend_wheelhouse.store.vendored import VendoredRecord, list_vendored


@dataclass(frozen=True, kw_only=True)
class VendoredOptions:
    """What `invoke vendored` was asked for.

    Args:
        json: Print one JSON document.
    """

    json: bool = False


def main(options: VendoredOptions) -> None:
    """List every imported file."""
    tell(list_vendored(Store()), json=options.json)


def tell(records: Sequence[VendoredRecord], *, json: bool) -> None:
    """Print the imported files, as a table or as JSON."""
    if json:
        console.print_json([record.as_dict() for record in records])
        return
    if not records:
        console.line("No file was imported yet: `invoke vendor FILE`.")
        return
    rows = [
        [
            record.component or "(any lock)",
            record.facts.version,
            replace(record.facts, version="").words,
            forms.size(record.size),
            record.sha256[:12],
            record.origin,
        ]
        for record in records
    ]
    console.table(["component", "version", "for", "size", "sha256", "from"], rows)
