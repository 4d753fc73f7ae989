"""What an install takes its files from: a bundle, its parts, or a wheelhouse folder."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ..errors import UsageError
from ..layout import MANIFEST
from ..place import HOME, in_environment, in_wheelhouse, with_bundle
from .bundle_reader import Bundle, File, open_bundle
from .contents import Contents, read_contents

_WHEELS = "wheels"
_TOOLS = "tools"
_UV_TOOL = f"{_TOOLS}/uv-"
_UV_WHEEL = f"{_WHEELS}/uv-"


class NoWheelhouseError(UsageError):
    """There is neither a bundle nor a wheelhouse folder to install from."""


@dataclass(frozen=True, kw_only=True)
class Supply:
    """An opened bundle or folder.

    Args:
        bundle: Its reader.
        manifest: The bytes of its manifest.
        contents: What they say; not to be believed before `bundle.verify`.
    """

    bundle: Bundle
    manifest: bytes
    contents: Contents

    def packed(self, folders: Collection[str]) -> list[File]:
        """Return what must be unpacked of some folders, the largest first; "" stands for the files at the top."""
        standing = {_WHEELS} if self.bundle.folder else set()
        wanted = set(folders) - standing
        files = [file for file in self.bundle.iter_files() if _top(file.path) in wanted]
        return sorted(files, key=lambda file: -file.size)

    def unpack(self, work: Path, folders: Collection[str]) -> Path:
        """Return a folder below `work` that holds the files of `folders`, each a copy that was checked on its way.

        Nothing else of a bundle is ever parsed or run, so that it does not matter what lies beside its files, or
        what becomes of them after `bundle.verify`. Wheels are hashed once more by what installs them
        (`--require-hashes`); those of a folder stay where they are, and are reached through a link.
        """
        target = work / "wheelhouse"
        target.mkdir(exist_ok=True)
        if self.bundle.folder and _WHEELS in folders and (self.bundle.folder / _WHEELS).is_dir():
            (target / _WHEELS).symlink_to(self.bundle.folder / _WHEELS)
        files = self.packed(folders)
        for parent in {(target / file.path).parent for file in files}:
            parent.mkdir(parents=True, exist_ok=True)

        def extract(file: File) -> None:
            self.bundle.extract(file.path, target / file.path, hashed=file.kind != "wheel")

        with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
            list(pool.map(extract, files))
        return target

    def tools(self, work: Path) -> Path:
        """Return a folder below `work` with the wheels that install the others, each checked on its way.

        A wheelhouse that has uv among its wheels, as that of the tool itself, need not carry it a second time.
        """
        folder = self.unpack(work, [_TOOLS]) / _TOOLS
        uv = [one.path for one in self.bundle.iter_files() if one.path.startswith((_UV_TOOL, _UV_WHEEL))]
        if uv and not any(path.startswith(_UV_TOOL) for path in uv):
            folder.mkdir(exist_ok=True)
            self.bundle.extract(uv[0], folder / PurePosixPath(uv[0]).name)
        return folder


def _top(path: str) -> str:
    return path.partition("/")[0] if "/" in path else ""


def open_supply(named: Sequence[Path], base: Path | None = None, *, said: Sequence[str] = ()) -> Supply:
    """Open what was named, or the wheelhouse that this installer stands in.

    Args:
        named: A bundle, its parts or a folder; empty for the folder around the installer.
        base: For a delta: the older bundle.
        said: The words of the command line, for the command that an error proposes.

    Raises:
        NoWheelhouseError: The installer stands in no wheelhouse.
    """
    if not named and not in_wheelhouse():
        raise NoWheelhouseError(
            f"{HOME} is an environment, and no wheelhouse."
            if in_environment()
            else f"{HOME} holds no {MANIFEST}.",
            why="install.py stands at the top of a wheelhouse, or is given one.",
            next_step=with_bundle(said),
        )
    place = list(named) or [HOME]
    bundle = open_bundle(place[0] if len(place) == 1 else place, base)
    manifest = dict(bundle.head_members())[MANIFEST]
    return Supply(bundle=bundle, manifest=manifest, contents=read_contents(manifest))
