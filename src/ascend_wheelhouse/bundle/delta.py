"""What a delta carries: the files that its base lacks, and the few that start an installation.

A base is an older bundle, its parts, a folder, or no more than its manifest. Only content counts: a file that
moved or was renamed is not carried again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ascend_wheelhouse.base.errors import UsageError
from ascend_wheelhouse.bundle.parts import settle
from ascend_wheelhouse.node import documents, layout
from ascend_wheelhouse.node.reading import strict
from ascend_wheelhouse.node.reading.bundle_reader import open_bundle

_LARGEST_MANIFEST = 1 << 26


class BaseNotFoundError(UsageError):
    """`--base` is not there."""


@dataclass(frozen=True, kw_only=True)
class Base:
    """An older wheelhouse: one digest for all its content, and the digests of its files."""

    contents: str
    digests: frozenset[str]


def read_base(path: Path) -> Base:
    """Read what a base holds from a bundle or from a manifest alone.

    Raises:
        BaseNotFoundError: There is nothing at that path.
        IntegrityError: It is neither, or is damaged.
    """
    if path.suffix == ".json":
        if not path.is_file() or path.stat().st_size > _LARGEST_MANIFEST:
            raise BaseNotFoundError(
                f"There is no manifest at {path}.", next_step="--base OLD_BUNDLE_OR_MANIFEST"
            )
        manifest = strict.read_manifest(documents.bytes_of(path))
    else:
        settle(path)
        manifest = open_bundle(path).manifest
    files = manifest["files"]
    return Base(
        contents=layout.contents_digest(files), digests=frozenset(str(file["sha256"]) for file in files)
    )


def carried(manifest: Mapping[str, Any], base: Base) -> list[str]:
    """Return the paths that a delta must carry, in the order of a bundle."""
    return layout.member_order(
        str(file["path"])
        for file in manifest["files"]
        if file["sha256"] not in base.digests or starts_installation(str(file["path"]))
    )


def starts_installation(path: str) -> bool:
    """Tell whether a file is part of the installer, which must be at hand before the base is looked at."""
    return path == layout.INSTALLER or path.startswith(layout.OLD_INSTALLER)
