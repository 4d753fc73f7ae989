"""A file that is there whole or not at all, and files that belong together: all of them, or those before.

One file is written beside its place, flushed and renamed. What lies beside has one name, so that a killed run leaves
at most one such file, and the next run takes it over.

A set is written into the hidden folder `.<set>.set-part`, which then becomes `.<set>.set-whole`: this rename decides.
The files of a whole set are moved to their places, and the folder goes. Whoever reads or writes the set later, after
a kill, first finishes a whole one and throws away a partial one; so nobody sees files of two sets side by side, and
nothing but plain files is left. Standard library only: what every run pays for uses it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ascend_wheelhouse.base import flocks, full_disk
from ascend_wheelhouse.base.errors import HostUnfitError

_PART, _WHOLE = ".set-part", ".set-whole"


class UnfinishedSetError(HostUnfitError):
    """A killed run left files that belong together, and this user may not put them in their places."""


def write_whole(path: Path, data: str | bytes, *, durable: bool = True) -> None:
    """Write a file, in place of an earlier one; several processes may do so at once.

    Args:
        path: Where; what is no regular file, such as a pipe, is written to as it is.
        data: Text is written as UTF-8.
        durable: Have it on the disk before it gets its name: after a power cut it is the old file or the new one.
    """
    data = data.encode() if isinstance(data, str) else data
    if path.exists() and not path.is_file():
        path.write_bytes(data)
        return
    place = Path(os.path.realpath(path))
    part = place.with_name(f".{place.name}.part")
    with naming(path, part), _own(part) as number, full_disk.naming(path):
        try:
            os.ftruncate(number, 0)
            _write_all(number, data, durable=durable)
            part.replace(place)
        except BaseException:
            part.unlink(missing_ok=True)
            raise


@contextmanager
def naming(path: Path, part: Path) -> Iterator[None]:
    """Have what the system refuses told of the file that was meant, and not of the one beside it."""
    try:
        yield
    except OSError as error:
        if error.filename == str(part):
            error.filename, error.filename2 = str(path), None
        raise


@contextmanager
def _own(part: Path) -> Iterator[int]:
    """Open a file that this process alone writes, and that is still at its name: others may have renamed it."""
    while True:
        number = os.open(part, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
        try:
            flocks.take(number, flocks.ALONE, lambda: None)
            if _still_at(part, number):
                yield number
                return
        finally:
            os.close(number)


def _still_at(part: Path, number: int) -> bool:
    try:
        return os.path.samestat(part.lstat(), os.fstat(number))
    except FileNotFoundError:
        return False


def _write_all(number: int, data: bytes, *, durable: bool) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(number, view) :]
    if durable:
        os.fsync(number)


def write_set(folder: Path, name: str, files: Mapping[str, bytes]) -> list[Path]:
    """Write files that belong together and return their paths.

    Args:
        folder: Where they go; made where it is missing.
        name: The set's name; another set of that name in the folder is replaced, file by file of the same name.
        files: Name to content.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with flocks.folder(folder) as lock:
        lock(flocks.ALONE)
        _settle(folder)
        part, whole = folder / f".{name}{_PART}", folder / f".{name}{_WHOLE}"
        part.mkdir()
        for file, data in files.items():
            write_whole(part / file, data)
        part.rename(whole)
        _place(whole)
    return [folder / file for file in files]


@contextmanager
def reading(folder: Path) -> Iterator[None]:
    """Keep writers of sets away while a folder is read; what a killed one left is finished first.

    Raises:
        UnfinishedSetError: Something was left, and may not be finished by this user.
    """
    if not folder.is_dir():
        yield
        return
    with flocks.folder(folder) as lock:
        lock(flocks.SHARED)
        while _left(folder):
            lock(flocks.ALONE)
            _finish(folder)
            lock(flocks.SHARED)
        yield


def _finish(folder: Path) -> None:
    try:
        _settle(folder)
    except OSError as error:
        raise UnfinishedSetError(
            f"{folder} holds files that a killed run did not put in their places: {error.strerror}.",
            why="You may not write there, or its disk is full.",
            next_step="run the same command as a user who may write there",
        ) from error


def _left(folder: Path) -> list[Path]:
    return [path for path in folder.glob(".*") if path.suffix in {_PART, _WHOLE} and path.is_dir()]


def _settle(folder: Path) -> None:
    for path in _left(folder):
        if path.suffix == _WHOLE:
            _place(path)
        else:
            shutil.rmtree(path)


def _place(whole: Path) -> None:
    for file in sorted(whole.iterdir()):
        file.replace(whole.parent / file.name)
    whole.rmdir()
