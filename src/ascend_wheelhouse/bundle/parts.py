"""A bundle on its way to disk: one file, or parts of a given size, invisible under their names until whole.

While it grows, a bundle lies in the hidden folder `.<name>.partial` beside its place, as one file a part.
`finish` moves them to `<name>` or `<name>.001`, `<name>.002`, ...: once that folder is renamed, it is done, by
this run or, after a kill, by the next one that reads or writes the bundle.
"""

from __future__ import annotations

import errno
import os
import re
import shlex
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO, Self

from ascend_wheelhouse.base import full_disk, medium, occupied, rights
from ascend_wheelhouse.base.errors import HostUnfitError, UsageError
from ascend_wheelhouse.node.reading.sources import PartedFile

_PART = re.compile(r"(?P<stem>.+)\.[0-9]{3,6}")
"""No longer number: a copy that is kept under its date, such as `x.tar.20260131`, is no part."""
_SMALLEST_PART = 1 << 16
_MOST_PARTS = 999
_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_BINARY = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}


class PartSizeError(UsageError):
    """`--split` is not a size that parts can have."""


def part_size(text: str) -> int:
    """Return what `--split` says, in bytes: `4G` is 4 000 000 000 (it fits a FAT32 medium), `4GiB` is 2^32.

    Raises:
        PartSizeError: It is no size, or smaller than 64 KiB.
    """
    match = re.fullmatch(r"(?P<number>[0-9]{1,15})(?P<unit>[KMGT]?i?B?)", text.strip())
    unit = match["unit"] if match else ""
    factor = _BINARY.get(unit, _UNITS.get(unit.removesuffix("B")))
    if match is None or factor is None or int(match["number"]) * factor < _SMALLEST_PART:
        raise PartSizeError(
            f"{text!r} is not a size for parts.",
            why="A part has at least 64 KiB; K, M, G, T count in thousands, KiB, MiB, GiB in 1024s.",
            next_step="--split 4G",
        )
    return int(match["number"]) * factor


def require_few(limit: int | None, size: int) -> None:
    """Hold a bundle to 999 parts: of more, a shell would give `NAME.tar.1000` before `NAME.tar.101`.

    Args:
        limit: The size of parts in bytes; one file without it.
        size: What the bundle will have at most, in bytes.

    Raises:
        PartSizeError: There would be more.
    """
    if limit is not None and size > limit * _MOST_PARTS:
        least = -(-size // (_MOST_PARTS * 10**6))
        raise PartSizeError(
            f"There would be more than {_MOST_PARTS} parts of {limit} bytes.",
            why="`cat NAME.tar.*` puts parts together in the order of their names, and .1000 comes before .101.",
            next_step=f"--split {least}M, or more",
        )


class BundleLostError(HostUnfitError):
    """A bundle that was written is not there: its file system lost it."""


class FileLimitError(HostUnfitError):
    """The file system takes no file as long as the bundle, or as a part of it: FAT32 takes less than 4 GiB."""


class FolderInPlaceError(UsageError):
    """A bundle, or a part of one, would have the name of a folder."""


class BaseInPlaceError(UsageError):
    """A delta would take the place of its base, without which nobody can read it."""


class UnfinishedBundleError(HostUnfitError):
    """A killed run left a bundle that is whole but not in its place, and this user may not put it there."""


def settle(path: Path) -> None:
    """Finish what a run left that was killed while it put its bundle in place; whoever reads one does so first.

    Args:
        path: The bundle, or one of its parts.

    Raises:
        UnfinishedBundleError: This user may not write there.
    """
    path = path.absolute()
    match = _PART.fullmatch(path.name)
    bundle = path.with_name(match["stem"]) if match else path
    if not any(folder.is_dir() for folder in _committed(bundle)):
        return
    try:
        with occupied.writing(bundle):
            _place(bundle)
    except OSError as error:
        raise UnfinishedBundleError(
            f"{bundle} was not put in its place by a run that was killed: {error.strerror}.",
            why="You may not write there, or its disk is full.",
            next_step="run the same command as a user who may write there, or pack the bundle again",
        ) from error


def _committed(path: Path) -> tuple[Path, Path]:
    """Return where a whole bundle lies while the old one is removed, and while it is moved itself."""
    return path.with_name(f".{path.name}.whole"), path.with_name(f".{path.name}.placing")


def _own(path: Path) -> list[Path]:
    """Return what has the name of a bundle or of one of its parts, sorted."""
    found = []
    for one in path.parent.iterdir() if path.parent.is_dir() else ():
        match = _PART.fullmatch(one.name)
        if path.name in {one.name, match and match["stem"]}:
            found.append(one)
    return sorted(found)


def require_no_folder(path: Path, limit: int | None = None) -> None:
    """Refuse a name for a bundle that a folder has, before all of it is written for nothing.

    Args:
        path: The bundle's name.
        limit: The size of its parts in bytes; one file without it.

    Raises:
        FolderInPlaceError: A folder has it, or that of a part.
    """
    folder = next((one for one in (_own(path) if limit else [path]) if one.is_dir()), None)
    if folder is not None:
        name = path.name if path.suffix == ".tar" else "NEW.tar"
        raise FolderInPlaceError(
            f"{folder} is a folder, and a bundle is a file.",
            why="Nothing was written: a bundle takes the place of an older one, and of nothing else.",
            next_step=f"--out {shlex.quote(str(folder / name))}, or another name",
        )


def require_beside(path: Path, base: Path) -> None:
    """Refuse a name for a delta that its base has, or a part of its base: that would be removed.

    Args:
        path: The delta's name.
        base: The base's, that of one of its parts or of its manifest.

    Raises:
        BaseInPlaceError: It has.
    """
    replaced = {Path(os.path.realpath(one.parent), one.name) for one in [path, *_own(path)]}
    for one in {base, *_own(base)}:
        if not replaced.isdisjoint(
            {Path(os.path.realpath(one.parent), one.name), Path(os.path.realpath(one))}
        ):
            name = path.with_name(f"{path.stem}.delta{path.suffix}")
            raise BaseInPlaceError(
                f"{path} is the base of the delta, and the delta would take its place.",
                why="Nothing was written: a delta cannot be read without its base.",
                next_step=f"--out {shlex.quote(str(name))}, or another name",
            )


def _place(path: Path) -> None:
    """Put a bundle that is whole in place of an older one; a run that is killed meanwhile is gone on with.

    The first part of the old one goes first, and that of the new one comes last: whatever has a first part is whole.
    """
    whole, placing = _committed(path)
    if whole.is_dir():
        kept = {path.name} & {
            part.name for part in whole.iterdir()
        }  # one file takes the place of another at once
        for old in _own(path):
            if old.name not in kept and not old.is_dir():
                old.unlink()
        whole.rename(placing)
    if placing.is_dir():
        for part in sorted(placing.iterdir(), reverse=True):
            part.replace(path.with_name(part.name))
        placing.rmdir()


class PartWriter:
    """Writes a bundle, and goes on with what a killed run left of it.

    Args:
        path: The bundle's name.
        limit: The size of its parts in bytes; one file without it.
    """

    def __init__(self, path: Path, limit: int | None = None) -> None:
        self.path = path
        self.limit = limit
        _place(path)
        self._folder = path.with_name(f".{path.name}.partial")
        rights.make_folder(path.parent, self._folder.name)
        self._stream: BinaryIO | None = None
        self._flusher = medium.Flusher()
        self._drop_useless()
        medium.forget(self._parts())  # what a failing medium did not take may still be in memory
        self.position = self.size = sum(part.stat().st_size for part in self._parts())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_rest: object) -> None:
        with self._flusher:
            self._close()

    def read(self, offset: int, size: int) -> bytes:
        """Return bytes that are already there."""
        return PartedFile(self._parts()).read(offset, size)

    def truncate(self, size: int) -> None:
        """Keep the first `size` bytes, and go on behind them."""
        self._close()
        start = 0
        for part in self._parts():
            length = part.stat().st_size
            if start >= size:
                part.unlink()
            elif start + length > size:
                with part.open("r+b") as stream:
                    stream.truncate(size - start)
            start += length
        self.position = self.size = size

    def write(self, data: bytes | memoryview) -> None:
        """Append bytes, over the border of a part where need be.

        Raises:
            FileLimitError: The file system takes no file so long.
        """
        with self._naming():
            self._write(memoryview(data))

    def _write(self, view: memoryview) -> None:
        while view:
            space = len(view) if self.limit is None else self.limit - self.position % self.limit
            if self._stream is None or (self.limit is not None and self.position % self.limit == 0):
                self._close()
                part = self._part(self.position // (self.limit or self.position + 1))
                self._stream = part.open("ab", buffering=0)
                rights.share(part, write=True)
            count = self._append(self._stream, view[:space])
            self._flusher.wrote(self._stream.fileno(), count)
            view, self.position = view[count:], self.position + count

    def _append(self, stream: BinaryIO, data: memoryview) -> int:
        try:
            return stream.write(data)
        except OSError as error:
            if error.errno != errno.EFBIG:
                raise
            raise FileLimitError(
                f"{self.path} cannot be written: its file system, or `ulimit -f`, takes no file so long.",
                why=f"It ended at byte {self.position}. FAT32, as on many USB sticks, takes less than 4 GiB a file.",
                next_step="pack with --split 4G, or onto another file system with --out",
            ) from error

    def finish(self) -> list[Path]:
        """Give the whole bundle its name, in place of an older one, and return its files: all is on the medium then.

        Raises:
            BundleLostError: It is not there.
        """
        self._close()
        parts = self._parts()
        with self._naming():
            self._flusher.wait()
            for part in parts:
                medium.flush(part)
        name = self.path.name
        names = (
            [name] if self.limit is None else [f"{name}.{number:03d}" for number in range(1, len(parts) + 1)]
        )
        for part, final in zip(parts, names, strict=True):
            part.rename(self._folder / final)
        medium.flush_names(self._folder)
        self._folder.rename(_committed(self.path)[0])
        _place(self.path)
        medium.flush_names(self.path.parent)
        return self._there([self.path.with_name(final) for final in names])

    def _there(self, files: list[Path]) -> list[Path]:
        """Return the files of the bundle, once each is seen to be there."""
        if sum(file.stat().st_size for file in files if file.is_file()) != self.position:
            raise BundleLostError(
                f"{self.path} was written, and not all of it is there.",
                why=f"The file system of {self.path.parent} lost it while it took its name: its driver is at fault.",
                next_step="pack onto another file system with --out, copy the bundle from there, and prove the copy: "
                f"`invoke bundle --verify {shlex.quote(str(self.path))}`",
            )
        return files

    def _part(self, index: int) -> Path:
        return self._folder / f"{index:06d}"

    def _parts(self) -> list[Path]:
        return sorted(self._folder.iterdir())

    def _drop_useless(self) -> None:
        """Drop what cannot be the beginning of these parts, such as parts of another size."""
        parts = self._parts()
        sizes = [part.stat().st_size for part in parts]
        whole = all(size == self.limit for size in sizes[:-1]) and all(size <= self._most for size in sizes)
        if parts != [self._part(index) for index in range(len(parts))] or not whole:
            for part in parts:
                part.unlink()

    @property
    def _most(self) -> float:
        return float("inf") if self.limit is None else self.limit

    def _naming(self) -> AbstractContextManager[None]:
        return full_disk.naming(self.path, full_disk.FULL | full_disk.LOST)

    def _close(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            with self._naming():
                stream.close()
