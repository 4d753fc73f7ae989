"""Which wheelhouse is verified: the folder that was named, or the newest one, and its manifest."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ascend_wheelhouse.base.errors import UsageError
from ascend_wheelhouse.base.places import real
from ascend_wheelhouse.node import documents
from ascend_wheelhouse.node.reading import contents


class WheelhouseNotFoundError(UsageError):
    """There is no wheelhouse at the place that was named or looked at."""


class ManifestUnreadableError(UsageError):
    """A wheelhouse's manifest is missing a part that verification needs."""


@dataclass(frozen=True, kw_only=True)
class FoundWheelhouse:
    """A finished wheelhouse on disk.

    Args:
        folder: Where it is.
        manifest: Its manifest, as read.
    """

    folder: Path
    manifest: Mapping[str, Any]

    @property
    def machine(self) -> str:
        """The architecture that it is for."""
        return str(self.manifest["platform"])

    @property
    def python(self) -> str:
        """CPython's `major.minor` that it is for."""
        return str(self.manifest["cell"].get("python", "3.11"))

    @property
    def requirements(self) -> Path:
        """The lock in pip's hashed form."""
        return self.folder / f"requirements.{self.machine}.txt"

    @property
    def known_failures(self) -> Mapping[str, str]:
        """Failures that the stack announces, `PROBE` or `PROBE/ITEM` to the reason."""
        found: Mapping[str, str] = self.manifest.get("serving", {}).get("known_failures", {})
        return found

    @property
    def digest(self) -> str:
        """The sha256 of the manifest's bytes: the identity of the wheelhouse, as in receipts."""
        return hashlib.sha256((self.folder / "manifest.json").read_bytes()).hexdigest()

    @property
    def wheels(self) -> Path:
        """Where its wheels are."""
        return self.folder / "wheels"


def find(named: Path | None, parent: Path) -> FoundWheelhouse:
    """Return the wheelhouse that was named, or the newest below `parent`.

    Raises:
        WheelhouseNotFoundError: There is none.
        ManifestUnreadableError: Its manifest cannot be used.
    """
    folder = named if named is not None else _newest(parent)
    path = folder / "manifest.json"
    if not path.is_file():
        raise WheelhouseNotFoundError(
            f"{folder} holds no wheelhouse: manifest.json is missing.",
            next_step="`invoke wheelhouse {cell}` makes one; `nox -s verify -- --wheelhouse DIR` takes another",
        )
    try:
        manifest = documents.read_file(path, contents.SHAPE)
    except (OSError, documents.UnsoundError) as error:
        raise ManifestUnreadableError(
            f"{path} is not a manifest: {error}.",
            next_step="make the wheelhouse again: invoke wheelhouse {cell}",
        ) from error
    found = FoundWheelhouse(folder=real(folder), manifest=manifest)
    if not found.requirements.is_file():
        raise ManifestUnreadableError(
            f"{folder} lacks its lock {found.requirements.name}.",
            next_step="make it again: invoke wheelhouse {cell}",
        )
    return found


def below(parent: Path) -> list[Path]:
    """Return the manifests of the wheelhouses in a folder, the newest last."""
    return sorted(parent.glob("*/manifest.json"), key=lambda path: path.stat().st_mtime)


def _newest(parent: Path) -> Path:
    manifests = below(parent)
    if not manifests:
        raise WheelhouseNotFoundError(
            f"There is no wheelhouse below {parent}.",
            why="`nox -s verify` takes the newest one there when none is named.",
            next_step="`invoke wheelhouse {cell}` makes one; `nox -s verify -- --wheelhouse DIR` takes another",
        )
    return manifests[-1].parent
