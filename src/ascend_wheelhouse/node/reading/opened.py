"""What an opened bundle holds and where: the members before the files, the manifest, the layout.

Everything here is computed from the manifest and compared with the bundle; nothing that the bundle says of
itself (sizes, names, kinds of members) is believed. Limits keep a hostile bundle from filling the memory.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import layout
from ..errors import UsageError
from ..trust import sshsig
from . import told_parts
from .image_layout import image_regions
from .sources import (
    BundleDamagedError,
    ExtraMemberError,
    PartedFile,
    Region,
    find_parts,
    folder_regions,
    in_order,
    refuse_extra,
    tree,
)
from .strict import damaged, read_delta, read_manifest

_LARGEST_HEAD = 1 << 26
_SHOWN = 5


class FolderOfBundlesError(UsageError):
    """A folder was named that is no bundle and holds some."""


class SeveralBundlesError(UsageError):
    """Several bundles were named where one is meant, or its parts."""


class ManifestAloneError(UsageError):
    """A manifest was named where the bundle is meant."""


class MissingMemberError(BundleDamagedError):
    """The bundle lacks something that the manifest names."""


@dataclass(frozen=True, kw_only=True)
class Opened:
    """The parts of a bundle, unproven.

    Args:
        head: The small files at its front, by name.
        manifest: The first of them, parsed.
        delta: What a delta says of its base; None for a whole bundle.
        regions: The files that it carries itself.
        folder: The folder in which they lie under their own paths; None for a file, parts or an image layout.
            This is the one place where the form of a bundle is decided.
        check_layout: Proves that nothing else is there.
    """

    head: Mapping[str, bytes]
    manifest: dict[str, Any]
    delta: dict[str, Any] | None
    regions: Mapping[str, Region]
    folder: Path | None
    check_layout: Callable[[], None]

    @property
    def manifest_bytes(self) -> bytes:
        """The bytes that were signed."""
        return self.head[layout.MANIFEST]

    @property
    def signature(self) -> bytes | None:
        """The signature of the manifest, if there is one."""
        return self.head.get(layout.SIGNATURE)

    @property
    def provenance(self) -> bytes | None:
        """The provenance, if there is one."""
        return self.head.get(layout.PROVENANCE)


def open_contents(path: Path | Sequence[Path]) -> Opened:
    """Open a bundle by its path, its parts or its folder, without proving anything.

    Raises:
        IntegrityError: It is no bundle, or its manifest is not one.
        UsageError: There is nothing at that path.
    """
    if isinstance(path, Path) and path.is_dir():
        return _open_folder(path)
    if isinstance(path, Path):
        return _open_tar(PartedFile(find_parts(path)))
    parts = in_order([Path(os.path.realpath(part)) for part in path])
    _refuse_several(parts)
    return _open_tar(PartedFile(parts))


def _refuse_several(parts: Sequence[Path]) -> None:
    """Tell of files that are not the parts of one bundle, such as `*.tar` names where several lie."""
    whole = [part for part in parts if part.is_dir() or _begins_a_bundle(part)]
    if len(whole) > 1 or any(part.is_dir() for part in whole):
        raise SeveralBundlesError(
            f"These are {len(whole)} bundles: {', '.join(part.name for part in whole[:_SHOWN])}."
            if len(whole) > 1
            else f"{whole[0].name} is a folder, and no part of a bundle.",
            why="Several files behind --bundle are the parts of one bundle.",
            next_step=f"the same command with one of them: --bundle {shlex.quote(str(whole[0]))}",
        )


def _begins_a_bundle(part: Path) -> bool:
    block = PartedFile([part]).read(0, layout.BLOCK)
    size = layout.size_in(block)
    return size is not None and block == layout.header(layout.MANIFEST, size)


def _open_tar(file: PartedFile) -> Opened:
    head: dict[str, bytes] = {}
    offset = 0
    for name in layout.HEAD:
        found = _head_member(file, name, offset)
        if found is not None:
            head[name] = found
            offset += len(layout.header(name, len(found))) + len(found) + layout.padding(len(found))
    if layout.MANIFEST not in head:
        _refuse_manifest(file)
        raise damaged(
            f"{file.paths[0].name} does not begin with {layout.MANIFEST}: it is no bundle, or is damaged"
        )
    manifest = read_manifest(head[layout.MANIFEST])
    delta = read_delta(head[layout.DELTA], manifest) if layout.DELTA in head else None
    head[layout.SUMS] = layout.sums(manifest["files"])
    plan = list(_plan(file, head, manifest, delta))
    return Opened(
        head=head,
        manifest=manifest,
        delta=delta,
        regions={name: region for name, region in plan if name not in layout.RESERVED},
        folder=None,
        check_layout=lambda: _check_tar(file, plan, head[layout.SUMS]),
    )


def _refuse_manifest(file: PartedFile) -> None:
    """Tell of a manifest by itself, which is enough to pack a delta against."""
    if file.read(0, 1) == b"{":
        raise ManifestAloneError(
            f"{file.paths[0].name} is a manifest, and holds no files.",
            why="It is enough to pack a delta against; reading one takes the files.",
            next_step="the same command with its bundle, parts or folder in its place",
        )


def _head_member(file: PartedFile, name: str, offset: int) -> bytes | None:
    block = file.read(offset, layout.BLOCK)
    size = layout.size_in(block)
    if size is None or size > _LARGEST_HEAD or block != layout.header(name, size):
        return None
    content = file.read(offset + layout.BLOCK, size)
    return content if len(content) == size else None


def _plan(
    file: PartedFile, head: Mapping[str, bytes], manifest: Mapping[str, Any], delta: Mapping[str, Any] | None
) -> Iterator[tuple[str, Region]]:
    sizes = {name: len(head[name]) for name in layout.HEAD if name in head}
    sizes[layout.SUMS] = len(head[layout.SUMS])
    files = {entry["path"]: entry["size"] for entry in manifest["files"]}
    for path in layout.member_order(files if delta is None else delta["carried"]):
        sizes[path] = files[path]
    offset = 0
    for path, size in sizes.items():
        offset += len(layout.header(path, size))
        yield path, Region(file, offset, size)
        offset += size + layout.padding(size)


def _check_tar(file: PartedFile, plan: Sequence[tuple[str, Region]], sums: bytes) -> None:
    last = plan[-1][1]
    whole = last.offset + last.size + layout.padding(last.size) + len(layout.TRAILER)
    told_parts.require_sizes(file, whole)
    if file.size < whole:
        raise damaged(f"it is cut short, or lacks its last part: {file.size} of {whole} bytes are there")
    end = 0
    for path, region in plan:
        expected = layout.header(path, region.size)
        if file.read(end, len(expected)) != expected:
            raise _unexpected(path, Region(file, end, layout.BLOCK))
        end = region.offset + region.size
        filling = bytes(layout.padding(region.size))
        if file.read(end, len(filling)) != filling:
            raise damaged(f"the bytes after {path} are not empty{_where(Region(file, end, len(filling)))}")
        end += len(filling)
        if path == layout.SUMS and region.bytes() != sums:
            raise damaged(f"{layout.SUMS} does not say what {layout.MANIFEST} says")
    if file.read(end, len(layout.TRAILER)) != layout.TRAILER:
        raise _unexpected("its end", Region(file, end, layout.BLOCK))
    if file.size != whole:
        raise damaged(f"something follows its end, at byte {whole}")


def _where(place: Region) -> str:
    parts = told_parts.holding([place])
    return f" (in {parts})" if parts else ""


def _unexpected(path: str, place: Region) -> BundleDamagedError:
    where = _where(place)
    try:
        found = tarfile.TarInfo.frombuf(place.bytes(), "utf-8", "replace")
    except tarfile.TarError:
        return damaged(f"the header of {path} is damaged{where}")
    kind = "file" if found.isfile() or found.type == tarfile.XHDTYPE else "link, device or folder"
    what = f"it holds the {kind} {found.name!r} where {path} must be{where}"
    if kind != "file" or found.name != path:
        return ExtraMemberError(
            f"The bundle is not sound: {what}.",
            why="A bundle holds the files of its manifest in one order, and nothing else.",
            next_step=sshsig.DO_NOT_USE,
        )
    return damaged(f"the header of {path} states another size, owner, mode or time than it must{where}")


def _open_folder(folder: Path) -> Opened:
    is_layout = _is_image(folder)
    if not (is_layout or os.path.lexists(folder / layout.MANIFEST)):
        _refuse_bundles_inside(folder)
    regions = image_regions(folder) if is_layout else folder_regions(folder)
    head: dict[str, bytes] = {name: _limited(name, regions[name]) for name in layout.HEAD if name in regions}
    if layout.MANIFEST not in head:
        raise damaged(f"{folder} holds no {layout.MANIFEST}: it is no wheelhouse")
    manifest = read_manifest(head[layout.MANIFEST])
    delta = read_delta(head[layout.DELTA], manifest) if layout.DELTA in head else None
    names = {entry["path"] for entry in manifest["files"]}
    return Opened(
        head=head,
        manifest=manifest,
        delta=delta,
        regions={path: region for path, region in regions.items() if path in names},
        folder=None if is_layout else folder.absolute(),
        check_layout=lambda: _check_folder(
            folder,
            regions,
            names if delta is None else set(delta["carried"]),
            head[layout.MANIFEST],
            manifest,
        ),
    )


def _refuse_bundles_inside(folder: Path) -> None:
    """Tell of bundles in a folder that is none, such as the one that they are written to."""
    tars = {find_parts(path)[0] for pattern in ("*.tar", "*.tar.001") for path in folder.glob(pattern)}
    found = sorted([*tars, *(path.parent for path in folder.glob("*/oci-layout"))])
    if found:
        names = ", ".join(path.name for path in found[:_SHOWN])
        raise FolderOfBundlesError(
            f"{folder} is no bundle, and holds {names}{', ...' if len(found) > _SHOWN else ''}.",
            why="A bundle is one file, its parts, or a folder with its files.",
            next_step=f"name the one that is meant: {found[0]}",
        )


def _is_image(folder: Path) -> bool:
    return os.path.lexists(folder / "oci-layout")


def _limited(name: str, region: Region) -> bytes:
    if region.size > _LARGEST_HEAD:
        raise damaged(f"{name} is {region.size} bytes long")
    return region.bytes()


def _check_folder(
    folder: Path,
    regions: Mapping[str, Region],
    expected: set[str],
    text: bytes,
    manifest: Mapping[str, Any],
) -> None:
    """Compare what is there with what must be; of an image layout, `image_regions` has seen the folder."""
    present = set() if _is_image(folder) else tree(folder)
    parents = {f"{path[:at]}/" for path in expected for at, letter in enumerate(path) if letter == "/"}
    refuse_extra(folder, {*regions, *present} - expected - parents - set(layout.RESERVED))
    if missing := sorted(expected - regions.keys()):
        raise MissingMemberError(
            f"The folder lacks {', '.join(missing[:5])}.", next_step="unpack the bundle afresh"
        )
    if layout.SUMS in regions:
        _check_sums(regions[layout.SUMS], text, manifest)


def _check_sums(sums: Region, text: bytes, manifest: Mapping[str, Any]) -> None:
    lines = layout.sums(manifest["files"]).splitlines()
    own = f"{hashlib.sha256(text).hexdigest()}  {layout.MANIFEST}".encode()
    found = _limited(layout.SUMS, sums).splitlines()
    if sorted(line for line in found if line != own) != sorted(lines):
        raise damaged(f"{layout.SUMS} does not say what {layout.MANIFEST} says")
