"""What an install takes its files from: a bundle, its parts, or a wheelhouse folder."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from .bundle_reader import Bundle, open_bundle
from .contents import Contents, read_contents
from .errors import UsageError
from .layout import MANIFEST


class NoWheelhouseError(UsageError):
    """There is neither a bundle nor a wheelhouse folder to install from."""


@dataclass(frozen=True, kw_only=True)
class Supply:
    """An opened bundle or folder.

    Args:
        bundle: Its reader.
        manifest: The bytes of its manifest.
        contents: What they say; not to be believed before `bundle.verify`.
        folder: Where it is unpacked already, or None.
    """

    bundle: Bundle
    manifest: bytes
    contents: Contents
    folder: Path | None

    def unpack(self, work: Path) -> Path:
        """Return a folder that holds its files, unpacking them below `work` where needed."""
        if self.folder:
            return self.folder
        target = work / "wheelhouse"
        paths = [file.path for file in self.bundle.iter_files()]
        for path in paths:
            (target / path).parent.mkdir(parents=True, exist_ok=True)
        with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
            list(pool.map(lambda path: self.bundle.extract(path, target / path), paths))
        return target


def open_supply(named: Sequence[Path], base: Path | None = None) -> Supply:
    """Open what was named, or the wheelhouse that this installer stands in.

    Args:
        named: A bundle, its parts or a folder; empty for the folder around the installer.
        base: For a delta: the older bundle.

    Raises:
        NoWheelhouseError: The installer stands in no wheelhouse.
    """
    own = Path(__file__).parent.parent
    if not named and not (own / MANIFEST).is_file():
        raise NoWheelhouseError(
            f"{own} holds no {MANIFEST}.",
            why="install.py stands at the top of a wheelhouse, or is given one.",
            next_step="install.py --bundle FILE_OR_FOLDER --prefix DIR",
        )
    place = list(named) or [own]
    bundle = open_bundle(place[0] if len(place) == 1 else place, base)
    whole = len(place) == 1 and (place[0] / MANIFEST).is_file() and bundle.delta is None
    manifest = dict(bundle.head_members())[MANIFEST]
    return Supply(
        bundle=bundle,
        manifest=manifest,
        contents=read_contents(manifest),
        folder=place[0].absolute() if whole else None,
    )
