"""`invoke vendored`: lists the imported files, and takes one back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ascend_wheelhouse import console
from ascend_wheelhouse.base.errors import UsageError
from ascend_wheelhouse.console import words as forms
from ascend_wheelhouse.store.store import Store
from ascend_wheelhouse.store.vendored import VendoredRecord, forget, list_vendored


@dataclass(frozen=True, kw_only=True)
class VendoredOptions:
    """What `invoke vendored` was asked for.

    Args:
        json: Print one JSON document.
        remove: The file to take back, by its name or the first digits of its sha256; the list is shown when empty.
    """

    json: bool = False
    remove: str = ""


class NotImportedError(UsageError):
    """No file of that name was imported."""


def main(options: VendoredOptions) -> None:
    """List every imported file, or those that were taken back."""
    store = Store()
    if not options.remove:
        tell(list_vendored(store), json=options.json)
        return
    with store.in_use():
        gone = forget(store, options.remove)
    if not gone:
        raise NotImportedError(
            f"No file {options.remove} was imported.",
            why="A file is named as in the list, or by 12 digits or more of its sha256.",
            next_step="invoke vendored --json",
        )
    if options.json:
        console.print_json([record.as_dict() for record in gone])
        return
    for record in gone:
        console.line(f"{record.filename} ({record.component or 'any lock'}) is no longer imported")
    console.line("Wheelhouses that have it stay as they are; their next run goes without it.")


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
