"""What a wheelhouse folder holds: entries of the manifest, and the files that are written rather than fetched."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ascend_wheelhouse import assemble, carried
from ascend_wheelhouse import lock as locks
from ascend_wheelhouse.cell import Cell
from ascend_wheelhouse.collector import paused
from ascend_wheelhouse.lock import Lock, LockedPayload
from ascend_wheelhouse.manifest import NAME, Entry, Manifest, post_install
from ascend_wheelhouse.pylock import LockedFile
from ascend_wheelhouse.recipe import Recipes
from ascend_wheelhouse.sbom import WheelFacts, read_facts, write_sbom
from ascend_wheelhouse.simple_index import IndexedFile, simple_index
from ascend_wheelhouse.store import Store

_NODE = Path(__file__).parent / "node"


Facts = Mapping[str, WheelFacts]
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
        lock: The lock, with what was built and handed over in it; all its files are in the store.
        store: The store.
        facts: What is known of wheels already; the others are read.
    """
    wheels = [wheel_entry(wheel) for wheel in lock.installed]
    ready = [*wheels, *(_payload_entry(payload, recipes) for payload in lock.payloads)]
    held = {entry.sha256 for entry in ready}
    placed = [*ready, *carried.entries(lock, cell, recipes, store, elsewhere=held)]
    assemble.place(store, folder, placed)
    texts = locks.files(lock, cell.target)
    written = [assemble.write(folder, name, text.encode(), "lock") for name, text in texts.items()]
    known = dict(facts or {})
    facts = known | facts_of([wheel for wheel in lock.installed if wheel.filename not in known], store)
    written += _index(folder, lock.installed, facts)
    written += _installer(folder)
    manifest = _manifest(cell, recipes, lock, locks.digest_of(texts), [*placed, *written])
    bill = write_sbom(manifest.as_dict(), [], facts)
    written.append(assemble.write(folder, "sbom.cdx.json", bill, "sbom"))
    manifest = replace(manifest, files=(*placed, *written))
    (folder / NAME).write_text(manifest.dumps(), "utf-8")
    assemble.write_sums(folder, manifest.files)
    return manifest


def facts_of(wheels: Iterable[LockedFile], store: Store) -> dict[str, WheelFacts]:
    """Read what wheels of the store say of themselves."""
    return {wheel.filename: read_facts(store.path(wheel.sha256), wheel.filename) for wheel in wheels}


def wheel_entry(wheel: LockedFile) -> Entry:
    """Return the manifest's entry of a wheel."""
    return Entry(
        path=f"wheels/{wheel.filename}",
        size=wheel.size,
        sha256=wheel.sha256,
        kind="wheel",
        name=wheel.name,
        version=wheel.version,
        component=wheel.component or "",
        origin=wheel.origin,
        note=wheel.note,
    )


def _payload_entry(payload: LockedPayload, recipes: Recipes) -> Entry:
    room = "tools" if recipes[payload.component].kind == "tool" else "payloads"
    return Entry(
        path=f"{room}/{payload.filename}",
        size=payload.size,
        sha256=payload.sha256,
        kind="payload",
        name=payload.component,
        version=payload.version,
        component=payload.component,
        origin=payload.origin,
        note=recipes[payload.component].licence,
    )


def _index(folder: Path, wheels: Sequence[LockedFile], facts: Facts) -> list[Entry]:
    indexed = [
        IndexedFile(
            name=wheel.name,
            version=wheel.version,
            filename=wheel.filename,
            sha256=wheel.sha256,
            size=wheel.size,
            requires_python=facts[wheel.filename].metadata.get("requires_python", ""),
        )
        for wheel in wheels
    ]
    return [assemble.write(folder, path, data, "index") for path, data in simple_index(indexed).items()]


def _installer(folder: Path) -> list[Entry]:
    """Copy what runs on a node: `node/`, with `install.py` on top, which is `node/launch.py` under that name."""
    entries = [assemble.write(folder, "install.py", (_NODE / "launch.py").read_bytes(), "installer")]
    for path in sorted(_NODE.rglob("*.py")):
        place = f"node/{path.relative_to(_NODE).as_posix()}"
        entries.append(assemble.write(folder, place, path.read_bytes(), "installer"))
    return entries


def _manifest(cell: Cell, recipes: Recipes, lock: Lock, lock_digest: str, files: Iterable[Entry]) -> Manifest:
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
        serving=dict(cell.serving),
    )
