"""Which wheelhouse is verified: the folder that was named, or the newest one, and its manifest."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ascend_wheelhouse.base import occupied
from ascend_wheelhouse.base.errors import HostUnfitError, UsageError
from ascend_wheelhouse.base.events import Emit
from ascend_wheelhouse.base.places import real
from ascend_wheelhouse.node import documents
from ascend_wheelhouse.node.reading import contents

_MANIFEST = "manifest.json"


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
        digest: The sha256 of the manifest's bytes: the identity of the wheelhouse, as in receipts.
    """

    folder: Path
    manifest: Mapping[str, Any]
    digest: str

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
    def wheels(self) -> Path:
        """Where its wheels are."""
        return self.folder / "wheels"

    @contextmanager
    def held(self, emit: Emit) -> Iterator[None]:
        """Keep runs that make it anew away while its files are read.

        Raises:
            WheelhouseReplacedError: It was made anew since its manifest was read.
        """
        with occupied.reading(self.folder, emit):
            try:
                now = hashlib.sha256(documents.bytes_of(self.folder / _MANIFEST)).hexdigest()
            except OSError:
                now = ""
            if now != self.digest:
                raise WheelhouseReplacedError(
                    f"{self.folder} was made anew, or removed, since this verification began.",
                    why="What was read of it first is not of the files that are there now. No report is written.",
                    next_step="the same command again",
                )
            yield


class WheelhouseReplacedError(HostUnfitError):
    """Another run put a wheelhouse into the place of the one that is verified."""


def find(named: Path | None, parent: Path) -> FoundWheelhouse:
    """Return the wheelhouse that was named, or the newest below `parent`.

    Raises:
        WheelhouseNotFoundError: There is none.
        ManifestUnreadableError: Its manifest cannot be used.
    """
    folder = named if named is not None else _newest(parent)
    path = folder / _MANIFEST
    if not path.is_file():
        raise WheelhouseNotFoundError(
            f"{folder} holds no wheelhouse: manifest.json is missing.",
            next_step="`invoke wheelhouse {cell}` makes one; `nox -s verify -- --wheelhouse DIR` takes another",
        )
    try:
        content = documents.bytes_of(path)
        manifest = documents.read(content, contents.SHAPE)
    except (OSError, documents.UnsoundError) as error:
        raise ManifestUnreadableError(
            f"{path} is not a manifest: {error}.",
            next_step="make the wheelhouse again: invoke wheelhouse {cell}",
        ) from error
    digest = hashlib.sha256(content).hexdigest()
    found = FoundWheelhouse(folder=real(folder), manifest=manifest, digest=digest)
    if not found.requirements.is_file():
        raise ManifestUnreadableError(
            f"{folder} lacks its lock {found.requirements.name}.",
            next_step="make it again: invoke wheelhouse {cell}",
        )
    return found


def below(parent: Path) -> list[Path]:
    """Return the manifests of the wheelhouses in a folder, the newest last."""
    return sorted(parent.glob(f"*/{_MANIFEST}"), key=_time)


def _time(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:  # another run makes it anew just now
        return 0.0


def _newest(parent: Path) -> Path:
    manifests = below(parent)
    if not manifests:
        raise WheelhouseNotFoundError(
            f"There is no wheelhouse below {parent}.",
            why="`nox -s verify` takes the newest one there when none is named.",
            next_step="`invoke wheelhouse {cell}` makes one; `nox -s verify -- --wheelhouse DIR` takes another",
        )
    return manifests[-1].parent
