"""The manifest of the wheelhouse of this program: its cell is a host's."""

from __future__ import annotations

from collections.abc import Sequence

from ascend_wheelhouse import __version__
from ascend_wheelhouse.base.packaged import packaged
from ascend_wheelhouse.cells.target import Target, dotted
from ascend_wheelhouse.folder.manifest import Manifest, ManifestEntry
from ascend_wheelhouse.make.freshness import recipes_digest
from ascend_wheelhouse.make.own_wheel import PROJECT

STACK = f"{PROJECT}{__version__}"


def tool_manifest(target: Target, lock_digest: str, files: Sequence[ManifestEntry]) -> Manifest:
    """Return the manifest.

    Args:
        target: The kind of host.
        lock_digest: The digest of its lock files.
        files: What the folder holds.
    """
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
