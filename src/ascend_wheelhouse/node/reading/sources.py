"""Where the bytes of a bundle lie: one file, numbered parts of it, or a folder that it was unpacked into.

Every member becomes a `Region` of a `PartedFile`; nothing is read whole, and several threads may read at
once.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shlex
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import cycle
from pathlib import Path
from typing import BinaryIO

from .. import errors, layout

_CHUNK = 1 << 18
AFRESH = "unpack or copy the bundle afresh; if it comes again, do not use this bundle"
_SHOWN = 5
_PUT_THERE = (
    *("._*", ".DS_Store", ".fseventsd", ".Spotlight-V100", ".TemporaryItems", ".Trash*"),
    *("$RECYCLE.BIN", "System Volume Information", "Thumbs.db", "desktop.ini"),
)
"""What a Mac, Windows and file managers put onto a medium, none of which a wheelhouse has."""
_PART = re.compile(r"(?P<stem>.+)\.(?P<number>[0-9]{3,6})")
"""No longer number: a copy that is kept under its date, such as `x.tar.20260131`, is a bundle of its own."""


class BundleMissingError(errors.UsageError):
    """There is no bundle where one was named."""


class BundleDamagedError(errors.IntegrityError):
    """The bundle is cut short, too long, or not a bundle at all."""


class PartedFile:
    """One or several files read as if they were one; no file stays open, so a folder may hold thousands."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = tuple(paths)
        self.sizes = [_size(path) for path in paths]
        self.size = sum(self.sizes)

    def read_into(self, view: memoryview, offset: int) -> int:
        """Fill `view` from `offset` on, across parts, and return how many bytes there were."""
        done = 0
        for path, size in zip(self.paths, self.sizes, strict=True):
            wanted = max(0, min(len(view) - done, size - offset))
            if wanted and offset >= 0:
                count = _read_one(path, view[done : done + wanted], offset)
                done, offset = done + count, offset + count
                if count < wanted:
                    break
            offset -= size
        return done

    def send(self, target: int, offset: int, size: int) -> int:
        """Let the kernel copy `size` bytes from `offset` on to an open file; return how many it did copy.

        They never pass through this process, which takes half of the time that reading and writing them takes. Fewer
        than `size` are copied where the file systems cannot do that, or where reading or writing fails: to read and
        write the rest then says why.
        """
        done = 0
        for path, held in zip(self.paths, self.sizes, strict=True):
            wanted = max(0, min(size - done, held - offset))
            if wanted and offset >= 0:
                count = _send_one(path, target, offset, wanted)
                done, offset = done + count, offset + count
                if count < wanted:
                    break
            offset -= held
        return done

    def holding(self, offset: int, size: int) -> list[Path]:
        """Return the files in which the bytes from `offset` on lie."""
        starts = [sum(self.sizes[:number]) for number in range(len(self.sizes))]
        held = zip(self.paths, starts, self.sizes, strict=True)
        return [path for path, start, length in held if start < offset + size and offset < start + length]

    def read(self, offset: int, size: int) -> bytes:
        """Return up to `size` bytes from `offset` on."""
        buffer = bytearray(size)
        return bytes(buffer[: self.read_into(memoryview(buffer), offset)])


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise _unreadable(path, error) from error


def _read_one(path: Path, view: memoryview, offset: int) -> int:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            done = 0
            while done < len(view) and (count := os.preadv(handle, [view[done:]], offset + done)):
                done += count
            return done
        finally:
            os.close(handle)
    except OSError as error:
        raise _unreadable(path, error) from error


def _send_one(path: Path, target: int, offset: int, size: int) -> int:
    done = 0
    with contextlib.suppress(OSError):
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            while done < size and (count := os.sendfile(target, handle, offset + done, size - done)):
                done += count
        finally:
            os.close(handle)
    return done


def _unreadable(path: Path, error: OSError) -> BundleDamagedError:
    return BundleDamagedError(
        f"{path} cannot be read: {error.strerror}.",
        why="The medium is damaged or was taken out, the file is not yours to read, or it became a link.",
        next_step=f"ls -ld {shlex.quote(str(path))}; then copy it again",
    )


@dataclass(frozen=True)
class Region:
    """A stretch of a file: a member's content."""

    file: PartedFile
    offset: int
    size: int

    def chunks(self, buffers: int = 1) -> Iterator[memoryview]:
        """Yield the content piece by piece; each is valid until `buffers` more are asked for."""
        views = cycle([memoryview(bytearray(min(_CHUNK, self.size))) for _ in range(buffers)])
        done = 0
        while done < self.size:
            view = next(views)
            count = self.file.read_into(view[: self.size - done], self.offset + done)
            if count == 0:
                return
            yield view[:count]
            done += count

    def copy_to(self, stream: BinaryIO) -> None:
        """Write the content to a file that nothing was written to yet, unchecked."""
        done = self.file.send(stream.fileno(), self.offset, self.size)
        stream.writelines(Region(self.file, self.offset + done, self.size - done).chunks())

    def bytes(self) -> bytes:
        """Return the whole content: for small members."""
        return self.file.read(self.offset, self.size)

    def sha256(self, progress: Callable[[int], None] = lambda _count: None) -> str:
        """Return the digest of the content; `progress` is told of every piece's length."""
        digest = hashlib.sha256()
        for chunk in self.chunks():
            digest.update(chunk)
            progress(len(chunk))
        return digest.hexdigest()


def find_parts(path: Path) -> list[Path]:
    """Return the files that make up the bundle at `path`: itself, or `path.001`, `path.002`, ... in order.

    Raises:
        BundleMissingError: There is none.
        BundleDamagedError: A part is missing between others.
    """
    path = Path(os.path.realpath(path))  # Path.resolve raises RuntimeError for a link to itself
    if path.is_file():
        match = _PART.fullmatch(path.name)
        if match is None:
            return [path]
        path = path.with_name(match["stem"])
    found = {
        int(match["number"]): file
        for file in (path.parent.iterdir() if path.parent.is_dir() else ())
        if (match := _PART.fullmatch(file.name)) and match["stem"] == path.name
    }
    if not found:
        raise BundleMissingError(
            f"There is no bundle at {path}.", next_step="name the bundle, its first part or its folder"
        )
    return _whole(path.name, found)


def in_order(parts: Sequence[Path]) -> list[Path]:
    """Return the parts of one bundle by their numbers, each once, wherever they lie; other files stay as they are.

    Raises:
        BundleDamagedError: A part is missing before another one.
    """
    named = {part: _PART.fullmatch(part.name) for part in parts}
    numbered = {int(match["number"]): part for part, match in named.items() if match}
    stems = {match["stem"] for match in named.values() if match}
    if len(stems) != 1 or len(numbered) != len(named):
        return list(parts)
    return _whole(stems.pop(), numbered)


def in_parts(paths: Sequence[Path]) -> str:
    """Return the name of the bundle whose parts some files are; empty where one is no part."""
    matches = [_PART.fullmatch(path.name) for path in paths]
    stems = {match["stem"] if match else "" for match in matches}
    return stems.pop() if len(stems) == 1 else ""


def _whole(name: str, found: Mapping[int, Path]) -> list[Path]:
    """Return the parts of a bundle in order.

    Raises:
        BundleDamagedError: One is missing.
    """
    for number in range(1, max(found) + 1):
        if number not in found:
            raise BundleDamagedError(
                f"Part {number:03d} of {name} is missing.",
                why=f"The parts go from 001 to {max(found):03d}.",
                next_step=f"copy {name}.{number:03d} beside the others, and name the first alone",
            )
    return [found[number] for number in sorted(found)]


class ExtraMemberError(BundleDamagedError):
    """The bundle holds something that the manifest does not name."""


def tree(folder: Path) -> set[str]:
    """Return every entry below a folder by its path, folders with a slash at the end.

    Raises:
        HostilePathError: There is a link, a device or a name that no bundle has.
        ExtraMemberError: There is what a system puts onto a medium.
        BundleDamagedError: A folder cannot be read.
    """
    found, strange = set(), dict[str, str]()
    for parent, folders, files in os.walk(folder, followlinks=False, onerror=_unlistable):
        for name in [*folders, *files]:
            full = Path(parent, name)
            path = full.relative_to(folder).as_posix()
            if kind := _put_there(name):
                strange[path] = kind
                continue
            layout.check_path(path)
            mode = full.lstat().st_mode
            if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
                raise layout.HostilePathError(path)
            found.add(path if stat.S_ISREG(mode) else f"{path}/")
        folders[:] = [name for name in folders if not _put_there(name)]
    refuse_extra(folder, {*strange}, _without(folder, {*strange.values()}))
    return found


def _put_there(name: str) -> str:
    """Return by which pattern a name is one that systems put onto a medium; empty where it is none."""
    return next((kind for kind in _PUT_THERE if fnmatchcase(name, kind)), "")


def _without(folder: Path, kinds: set[str]) -> str:
    """Return how a folder is rid of what systems put onto its medium."""
    names = " -o ".join(f"-name {shlex.quote(kind)}" for kind in sorted(kinds))
    place = shlex.quote(str(folder.absolute()))
    return (
        f"`find {place} \\( {names} \\) -prune -exec rm -r {{}} +`, then the same command again: "
        "a Mac, Windows or a file manager puts such files onto a medium"
    )


def _unlistable(error: OSError) -> None:
    raise _unreadable(Path(str(error.filename)), error) from error


def refuse_extra(folder: Path, extra: set[str], next_step: str = AFRESH) -> None:
    """Refuse a folder that holds entries which nothing in it names.

    Args:
        folder: The folder.
        extra: The entries.
        next_step: What brings one without them.

    Raises:
        ExtraMemberError: There are such entries.
    """
    if extra:
        shown = ", ".join(sorted(extra)[:_SHOWN])
        raise ExtraMemberError(
            f"{folder.name} holds what its manifest does not name: {shown}.",
            why="Anything that was not signed could be run or installed by mistake.",
            next_step=next_step,
        )


def folder_regions(folder: Path) -> dict[str, Region]:
    """Return every file below a folder by its path.

    Raises:
        HostilePathError: There is a link, a device or a name that no wheelhouse has.
    """
    files = {path: PartedFile([folder / path]) for path in tree(folder) if not path.endswith("/")}
    return {path: Region(file, 0, file.size) for path, file in files.items()}
