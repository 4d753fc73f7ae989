"""A wheelhouse of this program itself, so that it crosses the air gap as what it makes does.

Same folder, same manifest, same `install.py`: bundling, signing, proving and installing know no difference. Its cell is
a host's: architecture, glibc and Python.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ascend_wheelhouse import __version__
from ascend_wheelhouse.base.errors import IntegrityError
from ascend_wheelhouse.base.events import Emit
from ascend_wheelhouse.base.packaged import packaged
from ascend_wheelhouse.cells.target import Target, dotted
from ascend_wheelhouse.folder import assemble
from ascend_wheelhouse.folder.contents import facts_of, index_entries, wheel_entry
from ascend_wheelhouse.folder.installer import build_installer
from ascend_wheelhouse.folder.manifest import NAME, Manifest, ManifestEntry
from ascend_wheelhouse.folder.sbom import write_sbom
from ascend_wheelhouse.locks.lock import digest_of
from ascend_wheelhouse.locks.pylock import LockedFile, dump_requirements
from ascend_wheelhouse.locks.tool_lock import NAME as TOOL_LOCK
from ascend_wheelhouse.locks.tool_lock import ToolPin, read_tool_lock
from ascend_wheelhouse.make.fetcher import Fetcher, file_download
from ascend_wheelhouse.make.freshness import recipes_digest
from ascend_wheelhouse.make.own_wheel import PROJECT, own_wheel
from ascend_wheelhouse.node.layout import INSTALLER
from ascend_wheelhouse.origins.index import Finder, FoundFile, IndexPin
from ascend_wheelhouse.store.store import Store

STACK = f"{PROJECT}{__version__}"


class ToolFileChangedError(IntegrityError):
    """The index offers another file than the lock of the program names."""


def make_tool_wheelhouse(target: Target, output: Path, store: Store, emit: Emit) -> Path:
    """Make the wheelhouse of this program for a kind of host, and return its folder.

    Args:
        target: The host.
        output: The folder of wheelhouses.
        store: Where the files are kept.
        emit: Told of the progress.

    Raises:
        BadToolLockError: The lock of the program cannot be read.
        ToolFileChangedError: The index offers another file than it names.
        WheelhouseError: The index did not answer, or has no such file.
    """
    fetcher = Fetcher(recipes={}, store=store, emit=emit)
    wheels = [*_locked(target, fetcher, emit), _own(store)]
    folder = output / f"{STACK}-{target.machine}"
    output.mkdir(parents=True, exist_ok=True)
    with assemble.replacing(folder, emit) as part:
        _lay_out(part, target, sorted(wheels, key=lambda wheel: wheel.name), store)
    return folder


def _locked(target: Target, fetcher: Fetcher, emit: Emit) -> list[LockedFile]:
    pins = read_tool_lock(packaged() / "lockfiles" / TOOL_LOCK, target)
    finder = Finder(fetcher.http)
    found = finder.find_all([IndexPin(name=one.name, version=one.version) for one in pins], target, emit)
    wheels = [_held(pin, file) for pin, file in zip(pins, found, strict=True)]
    fetcher.fetch([file_download(wheel) for wheel in wheels])
    return wheels


def _held(pin: ToolPin, found: FoundFile) -> LockedFile:
    if found.sha256 not in pin.digests:
        raise ToolFileChangedError(
            f"{found.filename} has sha256 {found.sha256}, which lockfiles/{TOOL_LOCK} does not name.",
            why="The file was added or replaced at the index since the lock was made, or it is another index.",
            next_step="compare it with the publisher's digest; then, in a clone: nox -s tool_lock",
        )
    return LockedFile.of(found.artifact, origin=found.origin)


def _own(store: Store) -> LockedFile:
    filename, data = own_wheel()
    return LockedFile.of(store.artifact(filename, store.add(io.BytesIO(data))), origin="built")


def _lay_out(folder: Path, target: Target, wheels: Sequence[LockedFile], store: Store) -> None:
    pip = next(wheel for wheel in wheels if wheel.name == "pip")
    tool = replace(wheel_entry(pip), folder="tools", kind="payload", component="pip")
    placed = [*map(wheel_entry, wheels), tool]
    assemble.place(store, folder, placed)
    texts = {f"requirements.{target.machine}.txt": dump_requirements(wheels)}
    facts = facts_of(wheels, store)
    written = [assemble.write(folder, name, text.encode(), "lock") for name, text in texts.items()]
    written += index_entries(folder, wheels, facts)
    written.append(assemble.write(folder, INSTALLER, build_installer(), "installer"))
    manifest = _manifest(target, digest_of(texts), [*placed, *written])
    bill = write_sbom(manifest.as_dict(), [], facts)
    written.append(assemble.write(folder, "sbom.cdx.json", bill, "sbom"))
    manifest = replace(manifest, files=(*placed, *written))
    (folder / NAME).write_text(manifest.dumps(), "utf-8")
    assemble.write_sums(folder, manifest.files)


def _manifest(target: Target, lock_digest: str, files: Sequence[ManifestEntry]) -> Manifest:
    return Manifest(
        stack=STACK,
        platform=target.machine,
        complete=True,
        derived=False,
        cell={"machine": target.machine, "glibc": dotted(target.glibc), "python": dotted(target.python)},
        recipes_digest=recipes_digest(packaged() / "recipes"),
        lock_digest=lock_digest,
        files=files,
    )
