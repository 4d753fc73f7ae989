"""`invoke vendor` takes in a file that could not be fetched, or a wheelhouse; `invoke vendored` lists the files."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from ascend_wheelhouse import console
from ascend_wheelhouse.cells.artefact_name import NameFacts
from ascend_wheelhouse.cells.stack import load_catalogue
from ascend_wheelhouse.console import words as forms
from ascend_wheelhouse.handover.vendor import vendor_file
from ascend_wheelhouse.handover.vendor_wheelhouse import vendor_wheelhouse
from ascend_wheelhouse.store.store import Store
from ascend_wheelhouse.store.vendored import VendoredRecord, list_vendored


def main(root: Path, file: str, *, words: Mapping[str, str], json: bool) -> None:
    """Take in `file` with what the words say of it; a wheelhouse says everything itself."""
    with console.main_guard(json=json):
        if Path(file).is_dir():
            _take_over(root, Path(file), json=json)
        else:
            _tell(_hand_over(root, Path(file), Store(), words), json=json)


def listing(*, json: bool) -> None:
    """List every file that was handed over."""
    with console.main_guard(json=json):
        _tell(list_vendored(Store()), json=json)


def _take_over(root: Path, folder: Path, *, json: bool) -> None:
    store = Store()
    with console.reporter("json" if json else "auto", stream=sys.stderr) as emit, store.in_use(emit):
        taken = vendor_wheelhouse(folder, root=root, store=store, emit=emit)
    if json:
        console.print_json(taken.as_dict())
        return
    there = f"{taken.files} files, {taken.new} of them new, {len(taken.commits)} git commits"
    console.line(f"{taken.wheelhouse}: {there}, are in the store")
    console.line(f"{'its' if taken.lock_put else 'the'} lock stands in {taken.lock}")
    console.line("Next: the same `invoke wheelhouse` with --offline, or `invoke build COMPONENT --offline`.")


def _hand_over(root: Path, path: Path, store: Store, words: Mapping[str, str]) -> Sequence[VendoredRecord]:
    stated = NameFacts(
        version=words["version"], machine=words["platform"], npu=words["npu"], cann=words["cann"]
    )
    with console.reporter("plain", stream=sys.stderr) as emit, store.in_use(emit):
        return vendor_file(
            path,
            store=store,
            recipes=load_catalogue(root / "recipes").recipes,
            component=words["component"],
            stated=stated,
            sha256=words["sha256"],
            emit=emit,
        )


def _tell(records: Sequence[VendoredRecord], *, json: bool) -> None:
    if json:
        console.print_json([record.as_dict() for record in records])
        return
    if not records:
        console.line("No file was handed over yet: `invoke vendor FILE`.")
        return
    rows = [
        [
            record.component or "(any lock)",
            record.facts.version,
            " ".join(filter(None, [record.facts.machine, record.facts.npu, record.facts.cann])),
            forms.size(record.size),
            record.sha256[:12],
            record.origin,
        ]
        for record in records
    ]
    console.table(["component", "version", "for", "size", "sha256", "from"], rows)
