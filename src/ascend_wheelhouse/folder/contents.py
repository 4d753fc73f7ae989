"""What a wheelhouse folder holds: entries of the manifest, and the files that are written rather than fetched."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ascend_wheelhouse.base.collector import paused
from ascend_wheelhouse.cells.cell import Cell
from ascend_wheelhouse.cells.recipe import Recipes
from ascend_wheelhouse.folder import assemble, carried, python_releases
from ascend_wheelhouse.folder.installer import build_installer
from ascend_wheelhouse.folder.manifest import (
    NAME,
    Kind,
    Manifest,
    ManifestEntry,
    components,
    needs_of_node,
    packages,
    post_install,
)
from ascend_wheelhouse.folder.sbom import SbomFacts, read_facts, write_sbom
from ascend_wheelhouse.folder.simple_index import IndexedFile, simple_index
from ascend_wheelhouse.locks import lock as locks
from ascend_wheelhouse.locks.lock import Lock, LockedPayload
from ascend_wheelhouse.locks.pylock import LockedFile
from ascend_wheelhouse.node.layout import INSTALLER
from ascend_wheelhouse.store.store import Store

Facts = Mapping[str, SbomFacts]
"""What wheels say of themselves, by file name."""


@paused()
def lay_out(
    folder: Path, *, cell: Cell, recipes: Recipes, lock: Lock, store: Store, facts: Facts | None = None
) -> Manifest:
    """Fill an empty folder with a wheelhouse and return its manifest.

    Args:
        folder: Where to.
        cell: The cell.
        recipes: Every recipe.
        lock: The lock, with what was built and imported in it; all its files are in the store.
        store: The store.
        facts: What is known of wheels already; the others are read.
    """
    patched = _patched(lock)
    wheels = [wheel_entry(wheel, patched.get(wheel.sha256, "")) for wheel in lock.installed]
    ready = [*wheels, *(_payload_entry(payload, recipes) for payload in lock.payloads)]
    held = {entry.sha256 for entry in ready}
    placed = [*ready, *carried.entries(lock, cell, recipes, store, elsewhere=held)]
    assemble.place(store, folder, placed)
    texts = locks.files(lock, cell.target)
    written = [assemble.write(folder, name, text.encode(), "lock") for name, text in texts.items()]
    known = dict(facts or {})
    facts = known | facts_of([wheel for wheel in lock.installed if wheel.filename not in known], store)
    written += index_entries(folder, lock.installed, facts)
    written.append(assemble.write(folder, INSTALLER, build_installer(), "installer"))
    manifest = _manifest(cell, recipes, lock, locks.digest_of(texts), [*placed, *written])
    manifest = replace(manifest, node={**manifest.node, **_barred(lock.installed, facts, cell)})
    bill = write_sbom(manifest.as_dict(), [], facts)
    written.append(assemble.write(folder, "sbom.cdx.json", bill, "sbom"))
    manifest = replace(manifest, files=(*placed, *written))
    (folder / NAME).write_text(manifest.dumps(), "utf-8")
    assemble.write_sums(folder, manifest.files)
    return manifest


def _barred(wheels: Sequence[LockedFile], facts: Facts, cell: Cell) -> dict[str, Any]:
    stated = [(wheel.name, _requires_python(facts[wheel.filename])) for wheel in wheels]
    return python_releases.as_manifest(stated, ".".join(map(str, cell.target.python)))


def _requires_python(facts: SbomFacts) -> str:
    return str(facts.metadata.get("requires_python", ""))


def facts_of(wheels: Iterable[LockedFile], store: Store) -> dict[str, SbomFacts]:
    """Read what wheels of the store say of themselves."""
    return {wheel.filename: read_facts(store.path(wheel.sha256), wheel.filename) for wheel in wheels}


def _patched(lock: Lock) -> dict[str, str]:
    """Return which patches of the project each wheel was built with, by its digest: no reader can see it otherwise."""
    return {
        source.wheel.sha256: f"built with patches: {', '.join(names)}"
        for source in lock.sources
        if source.wheel and (names := [row["name"] for row in source.build.get("patches", ())])
    }


def wheel_entry(wheel: LockedFile, more: str = "") -> ManifestEntry:
    """Return the manifest's entry of a wheel; `more` goes with what its lock notes of it."""
    return ManifestEntry(
        artifact=wheel.artifact,
        folder="wheels",
        kind="wheel",
        name=wheel.name,
        version=wheel.version,
        component=wheel.component or "",
        origin=wheel.origin,
        note="; ".join(filter(None, (wheel.note, more))),
    )


def _payload_entry(payload: LockedPayload, recipes: Recipes) -> ManifestEntry:
    return ManifestEntry(
        artifact=payload.artifact,
        folder="tools" if recipes[payload.component].kind == "tool" else "payloads",
        kind="payload",
        name=payload.component,
        version=payload.version,
        component=payload.component,
        origin=payload.origin,
        note=recipes[payload.component].licence,
    )


def index_entries(folder: Path, wheels: Sequence[LockedFile], facts: Facts) -> list[ManifestEntry]:
    """Write `simple/` over wheels, and return its entries."""
    indexed = [
        IndexedFile(
            name=wheel.name,
            version=wheel.version,
            artifact=wheel.artifact,
            requires_python=_requires_python(facts[wheel.filename]),
        )
        for wheel in wheels
    ]
    return [assemble.write(folder, path, data, "index") for path, data in simple_index(indexed).items()]


def _manifest(
    cell: Cell, recipes: Recipes, lock: Lock, lock_digest: str, files: Iterable[ManifestEntry]
) -> Manifest:
    entries = tuple(files)
    present = {entry.component for entry in entries if entry.component and entry.kind != "source"}
    return Manifest(
        stack=lock.stack,
        platform=lock.platform,
        complete=not lock.pending,
        derived=cell.derived,
        cell=cell.as_manifest(),
        recipes_digest=lock.recipes_digest,
        lock_digest=lock_digest,
        files=entries,
        pending=lock.pending,
        notes=cell.notes,
        post_install=post_install(cell, recipes, present),
        packages=packages(cell, recipes),
        node=needs_of_node(cell, recipes),
        serving=dict(cell.serving),
        components=components(cell, recipes),
    )


def added(folder: Path, manifest: Manifest, name: str, data: bytes, kind: Kind) -> Manifest:
    """Put one more file into a folder that `lay_out` filled, and return the manifest that names it."""
    entry = assemble.write(folder, name, data, kind)
    manifest = replace(manifest, files=(*manifest.files, entry))
    (folder / NAME).write_text(manifest.dumps(), "utf-8")
    assemble.write_sums(folder, manifest.files)
    return manifest
