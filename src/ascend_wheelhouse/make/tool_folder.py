"""Laying out the wheelhouse of this program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ascend_wheelhouse.cells.target import Target
from ascend_wheelhouse.folder import assemble
from ascend_wheelhouse.folder.contents import facts_of, index_entries, wheel_entry
from ascend_wheelhouse.folder.installer import build_installer
from ascend_wheelhouse.folder.manifest import NAME
from ascend_wheelhouse.folder.sbom import write_sbom
from ascend_wheelhouse.locks.lock import digest_of
from ascend_wheelhouse.locks.pylock import LockedFile, dump_requirements
from ascend_wheelhouse.make.tool_manifest import tool_manifest
from ascend_wheelhouse.node.layout import INSTALLER
from ascend_wheelhouse.store.store import Store


def lay_out(folder: Path, target: Target, wheels: Sequence[LockedFile], store: Store) -> None:
    """Write everything into a new folder: wheels, index, requirements, installer, bill of materials, manifest, sums."""
    pip = next(wheel for wheel in wheels if wheel.name == "pip")
    tool = replace(wheel_entry(pip), folder="tools", kind="payload", component="pip")
    placed = [*map(wheel_entry, wheels), tool]
    assemble.place(store, folder, placed)
    texts = {f"requirements.{target.machine}.txt": dump_requirements(wheels)}
    facts = facts_of(wheels, store)
    written = [assemble.write(folder, name, text.encode(), "lock") for name, text in texts.items()]
    written += index_entries(folder, wheels, facts)
    written.append(assemble.write(folder, INSTALLER, build_installer(), "installer"))
    manifest = tool_manifest(target, digest_of(texts), [*placed, *written])
    bill = write_sbom(manifest.as_dict(), [], facts)
    written.append(assemble.write(folder, "sbom.cdx.json", bill, "sbom"))
    manifest = replace(manifest, files=(*placed, *written))
    (folder / NAME).write_text(manifest.dumps(), "utf-8")
    assemble.write_sums(folder, manifest.files)
