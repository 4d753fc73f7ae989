"""Whether a wheelhouse is still the one that its lock names: a lock that is newer gives it no newer bytes.

A bundle's serial rises with the repository, so that an older wheelhouse, packed after its lock was changed, would pass
for the newest on every node.
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ascend_wheelhouse.base import occupied
from ascend_wheelhouse.base.cell_words import stated_words
from ascend_wheelhouse.base.errors import UsageError
from ascend_wheelhouse.base.events import Emit, Note
from ascend_wheelhouse.cells.cell import Cell
from ascend_wheelhouse.console.words import listed
from ascend_wheelhouse.folder import manifest
from ascend_wheelhouse.folder.installer import build_installer
from ascend_wheelhouse.locks.lock import Lock
from ascend_wheelhouse.make.project_folder import ProjectFolder
from ascend_wheelhouse.node import layout

_SHOWN = 5


class OutdatedWheelhouseError(UsageError):
    """A wheelhouse is not what its lock names now: one of the two was changed without the other."""


def require_current(wheelhouse: Path, cell: Cell, folder: ProjectFolder, emit: Emit) -> None:
    """Hold the wheelhouse of a cell to the lock of that cell; what is none, or has no lock, is let through.

    Raises:
        OutdatedWheelhouseError: It holds other files than the lock names.
        BadLockError, InvalidPylockError: The lock cannot be read.
    """
    document = _document(wheelhouse, emit)
    lock = folder.committed_lock(cell)
    if document is None or lock is None:
        return
    differing = _differing(document, lock)
    if differing:
        raise OutdatedWheelhouseError(
            f"{wheelhouse.name} is not what its lock names now: {listed(differing, _SHOWN)}.",
            why="The lock was changed after this wheelhouse was made. Packed now, it would pass for newer than it is.",
            next_step="`invoke wheelhouse {cell}` makes it anew; then the same command again. Or "
            f"--wheelhouse {shlex.quote(str(wheelhouse))}, to pack it as it is",
        )


def tell_older_installer(wheelhouse: Path, emit: Emit) -> None:
    """Warn of a wheelhouse whose `install.py` is that of another version of this tool: nodes will run that one."""
    document = _document(wheelhouse, emit)
    told = layout.installer_digest(document["files"]) if document else ""
    if document and told and told != hashlib.sha256(build_installer()).hexdigest():
        text = (
            f"{wheelhouse.name} was made by another version of this tool, and its install.py is of that version. "
            f"`invoke wheelhouse {stated_words(document['cell'])}` makes it anew."
        )
        emit(Note(text=text, level="warning"))


def _document(wheelhouse: Path, emit: Emit) -> Mapping[str, Any] | None:
    """Return the manifest; None where there is none that can be read, which whoever packs it will say."""
    if not wheelhouse.is_dir():
        return None
    try:
        with occupied.reading(wheelhouse, emit):
            return manifest.read(wheelhouse)
    except manifest.NotAWheelhouseError:
        return None


def _differing(document: Mapping[str, Any], lock: Lock) -> list[str]:
    """Return the locked files that a wheelhouse lacks, and its dependencies that are locked no more, by name."""
    held = {file["sha256"] for file in document["files"]}
    pending = {item["component"] for item in document.get("pending", ())}
    wheels = [wheel for wheel in lock.wheels if wheel.component not in pending]
    payloads = [payload for payload in lock.payloads if payload.component not in pending]
    lacking = {one.filename for one in (*wheels, *payloads) if one.sha256 not in held}
    locked = {wheel.filename for wheel in lock.installed}
    ordinary = {Path(file["path"]).name for file in document["files"] if _is_dependency(file)}
    return sorted([*(f"without {name}" for name in lacking), *(f"with {name}" for name in ordinary - locked)])


def _is_dependency(file: Mapping[str, Any]) -> bool:
    """Tell whether a file is a wheel of no component: those of components may be supplied or built beside the lock."""
    return bool(file["kind"] == "wheel" and not file.get("component"))
