"""What an install takes its files from: a bundle, its parts, or a wheelhouse folder."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from .bundle_reader import Bundle, File, open_bundle
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

    def packed(self, rooms: Collection[str]) -> list[File]:
        """Return what must be unpacked of some folders, the largest first; "" stands for the files at the top."""
        if self.folder:
            return []
        files = [file for file in self.bundle.iter_files() if _room(file.path) in rooms]
        return sorted(files, key=lambda file: -file.size)

    def unpack(self, work: Path, rooms: Collection[str]) -> Path:
        """Return a folder that holds the files of `rooms`, unpacking them below `work` where needed.

        Wheels are hashed once more by what installs them (`--require-hashes`), all else by `extract`.
        """
        if self.folder:
            return self.folder
        target = work / "wheelhouse"
        files = self.packed(rooms)
        for parent in {(target / file.path).parent for file in files}:
            parent.mkdir(parents=True, exist_ok=True)

        def extract(file: File) -> None:
            self.bundle.extract(file.path, target / file.path, hashed=file.kind != "wheel")

        with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
            list(pool.map(extract, files))
        return target


def _room(path: str) -> str:
    return path.partition("/")[0] if "/" in path else ""


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
