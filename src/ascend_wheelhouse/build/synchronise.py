"""A kept source folder brought to another source: only what changed is written, only what must go is removed.

ninja and make compare times. So a file whose bytes are the same keeps its time, and one that changed gets a time that
is later than that of anything made from the earlier one, not the time of its commit.

Of what a build made, two kinds stay: the folders that hold cmake's and ninja's objects, and what ninja made elsewhere.
All else (packages that setuptools collected, generated code, stub libraries) goes and is made again, so that nothing
that the new source no longer makes can reach a wheel; `settle.py` gives the generated code its times back.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ascend_wheelhouse.build.settle import LOG, OBJECT_TREE, made_by_ninja

_GIT = ".git"
_CACHE = "CMakeCache.txt"
_COMPILED = re.compile(r"\.(?:c|cc|cpp|cxx|h|hh|hpp|hxx|inc|inl|ipp|s|S|tcc)$")
_HEADER = re.compile(r"\.(?:cuh|def|h|hh|hpp|hxx|inc|inl|ipp|tcc)$|(?:^|/)[^./]+$")
_DEPS = ".ninja_deps"
_COLLECTED = re.compile(r"lib|lib\..*|bdist\..*|scripts-.*")

_PART = 1 << 20

_BEHIND = "the clock is behind what was built before"


class UnsyncableError(Exception):
    """A kept folder cannot be brought to the new source; the reason is the text."""


@dataclass(frozen=True, kw_only=True)
class Changes:
    """What differs between a kept folder and its new source, as paths below it.

    Args:
        written: Files that are new or have other bytes.
        removed: Files of the earlier source that are gone.
        listed: Every file of the new source.
    """

    written: tuple[str, ...]
    removed: tuple[str, ...]
    listed: frozenset[str] = field(default_factory=frozenset)

    def only_code(self, before: AbstractSet[str]) -> bool:
        """Whether nothing but the contents of C and C++ files changed: no file more or less, no build file."""
        return not self.removed and all(_COMPILED.search(name) and name in before for name in self.written)


def files_below(top: Path) -> Iterator[str]:
    """Yield the files and links below a folder, git's own excluded."""
    for parent, folders, files in os.walk(top):
        place = Path(parent).relative_to(top)
        links = [name for name in folders if Path(parent, name).is_symlink()]
        folders[:] = sorted(name for name in folders if name != _GIT)
        yield from (str(place / name) for name in sorted((*files, *links)) if name != _GIT)


def compare(fresh: Path, kept: Path, before: AbstractSet[str]) -> Changes:
    """Return what differs between a kept folder and a source, by the bytes of both.

    Args:
        fresh: The new source.
        kept: The folder.
        before: The files of its earlier source.
    """
    listed = frozenset(files_below(fresh))
    folders = {parent for name in listed for parent in Path(name).parents}
    # what is seen through a link is not there
    links = {folder for folder in folders if (kept / folder).is_symlink()}
    written = tuple(
        name
        for name in sorted(listed)
        if links.intersection(Path(name).parents) or not _same(fresh / name, kept / name)
    )
    return Changes(written=written, removed=tuple(sorted(before - listed)), listed=listed)


def hides(tree: Path, came: AbstractSet[str]) -> bool:
    """Tell whether a file that came may be found in place of one of its name that objects were made with.

    ninja looks again at the files that were included, and at no others. It keeps their paths in one file, as they are.
    What make knows is not read: there any header may.

    Args:
        tree: A folder of objects.
        came: Files that the earlier source did not have.
    """
    names = {Path(name).name for name in came if _HEADER.search(name)}
    if not names or not (tree / _DEPS).is_file():
        return bool(names)
    known = (tree / _DEPS).read_bytes()
    return any(before + os.fsencode(name) in known for name in names for before in (b"/", b"\0"))


def _same(one: Path, other: Path) -> bool:
    if one.is_symlink() or other.is_symlink():
        return one.is_symlink() and other.is_symlink() and one.readlink() == other.readlink()
    return other.is_file() and _same_bytes(one, other)


def _same_bytes(one: Path, other: Path) -> bool:
    """Compare two files by their bytes; `filecmp.cmp` remembers answers by size and time, which commits can share."""
    with one.open("rb") as left, other.open("rb") as right:
        if os.fstat(left.fileno()).st_size != os.fstat(right.fileno()).st_size:
            return False
        while (part := left.read(_PART)) == right.read(_PART):
            if not part:
                return True
    return False


def object_trees(top: Path, sources: AbstractSet[str]) -> list[Path]:
    """Return the folders that hold cmake's or ninja's objects, none of which holds a file of the source.

    A project that configures cmake amid its own files has none: what it makes cannot be told from what it is.
    """
    holding = {str(parent) for name in sources for parent in Path(name).parents}
    found = []
    for parent, folders, files in os.walk(top):
        folders[:] = [name for name in folders if name != _GIT]
        if OBJECT_TREE & set(files) and str(Path(parent).relative_to(top)) not in holding:
            found.append(Path(parent))
            folders.clear()
    return found


@dataclass(frozen=True, kw_only=True)
class Keeping:
    """What of a build's own files stays.

    Args:
        top: The kept source folder.
        seen: Where builds see it.
        trees: The folders of objects.
    """

    top: Path
    seen: str
    trees: tuple[Path, ...]

    def elsewhere(self) -> set[Path]:
        """Return what ninja made outside its own folders."""
        found: set[Path] = set()
        for log in (Path(entry.path) for tree in self.trees for entry in _below(tree) if entry.name == LOG):
            for path in made_by_ninja(str(log)):
                made = Path(path)
                with suppress(ValueError):
                    made = self.top / made.relative_to(self.seen)  # as the host has it
                if made.is_relative_to(self.top):
                    found.add(made)
        return found

    def newest(self) -> int:
        """Return the time of the newest object, nanoseconds since 1970."""
        entries = (entry for tree in self.trees for entry in _below(tree))
        return max((entry.stat(follow_symlinks=False).st_mtime_ns for entry in entries), default=0)


def _below(folder: Path | str) -> Iterator[os.DirEntry[str]]:
    """Yield every file below a folder."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _below(entry.path)
            else:
                yield entry


def synchronise(fresh: Path, keeping: Keeping, changes: Changes, *, code: bool, stamp: int) -> None:
    """Bring a kept folder to a source.

    Args:
        fresh: The new source; its git folders are moved away.
        keeping: The folder, and what of it stays.
        changes: What `compare` found.
        code: Nothing but the contents of C and C++ files changed. Else cmake asks again for all that it remembers, and
            what ninja made outside its own folders goes: the new source may no longer make it.
        stamp: The time of what is written, nanoseconds since 1970.

    Raises:
        UnsyncableError: `stamp` is not later than what stays, by the clock or by what the file system keeps of it; or
            ninja writes over the source, and would take the file of the source for its own.
    """
    top, made = keeping.top, keeping.elsewhere()
    if clash := [name for name in changes.written if top / name in made]:
        raise UnsyncableError(f"ninja makes files of the source anew, such as {clash[0]}")
    stays = made if code else set()
    if not code:
        for tree in keeping.trees:
            (tree / _CACHE).unlink(missing_ok=True)
    kept = {str(path) for path in stays} | {f"{top}/{name}" for name in changes.listed}
    _clear(str(top), {str(tree) for tree in keeping.trees}, kept)
    for name in changes.removed:
        (top / name).unlink(missing_ok=True)
    _unlink_folders(top, changes.listed)
    newest = keeping.newest()
    if stamp <= newest:
        raise UnsyncableError(_BEHIND)
    for name in changes.written:
        place = top / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)  # a link would be written through
        shutil.copy2(fresh / name, place, follow_symlinks=False)
        os.utime(place, ns=(stamp, stamp), follow_symlinks=False)
        if place.lstat().st_mtime_ns <= newest:
            raise UnsyncableError(_BEHIND)
    _same_modes(fresh, top, changes.listed)
    _move_git(fresh, top)


def _unlink_folders(top: Path, listed: AbstractSet[str]) -> None:
    """Remove links that stand where a folder of the source belongs: a build may have made them, to anywhere."""
    for folder in sorted({parent for name in listed for parent in Path(name).parents}):
        if folder != Path() and (top / folder).is_symlink():
            (top / folder).unlink()


def _clear(folder: str, trees: AbstractSet[str], stays: AbstractSet[str]) -> bool:
    """Remove everything below a folder but the folders of objects and what stays; tell whether it is empty then."""
    empty = True
    with os.scandir(folder) as entries:
        inside = list(entries)
    for entry in inside:
        if entry.path in trees:
            _clear_collected(Path(entry.path))
            empty = False
        elif entry.is_dir(follow_symlinks=False) and entry.name != _GIT:
            if _clear(entry.path, trees, stays):
                Path(entry.path).rmdir()
            else:
                empty = False
        elif entry.path in stays:
            empty = False
        elif entry.name == _GIT:
            remove(Path(entry.path))
        else:
            os.unlink(entry.path)  # noqa: PTH108 - thousands of files, and a Path of each takes as long again
    return empty


def _clear_collected(tree: Path) -> None:
    """Remove what setuptools collected, where cmake has the very folder that setuptools builds in."""
    for path in tree.iterdir() if tree.name == "build" else ():
        if _COLLECTED.fullmatch(path.name):
            remove(path)


def remove(path: Path) -> None:
    """Remove a file, a link, or a folder with all that is in it."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _same_modes(fresh: Path, top: Path, listed: AbstractSet[str]) -> None:
    for name in listed:
        wanted = (fresh / name).lstat().st_mode
        if (top / name).lstat().st_mode != wanted:
            (top / name).chmod(wanted & 0o7777)


def _move_git(fresh: Path, top: Path) -> None:
    """Move git's folders, and make the folders that are empty in the source."""
    for parent, folders, files in os.walk(fresh):
        place = top / Path(parent).relative_to(fresh)
        place.mkdir(parents=True, exist_ok=True)
        if _GIT in folders or _GIT in files:
            shutil.move(Path(parent, _GIT), place / _GIT)
            folders[:] = [name for name in folders if name != _GIT]
