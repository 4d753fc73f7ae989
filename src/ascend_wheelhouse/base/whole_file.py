"""A file that is there whole or not at all, and files that belong together: all of them, or those before.

One file is written beside its place, flushed and renamed. What lies beside has one name, so that a killed run leaves
at most one such file, and the next run takes it over.

A set is written into the hidden folder `.<set>.set-part`, which then becomes `.<set>.set-whole`: this rename decides.
The files of a whole set are moved to their places, and the folder goes. Whoever reads or writes the set later, after
a kill, first finishes a whole one and throws away a partial one; so nobody sees files of two sets side by side, and
nothing but plain files is left. Files of a set may lie in folders below its own: then the set decides for all of them.
Who reads and who writes keep each other away by locks on the folder and, for hosts that share it, on a file in the
`.state` folder beside.
Standard library only: what every run pays for uses it.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ascend_wheelhouse.base import flocks, full_disk
from ascend_wheelhouse.base.errors import HostUnfitError

_PART, _WHOLE = ".set-part", ".set-whole"
_STATE = ".state"


class UnfinishedSetError(HostUnfitError):
    """A killed run left files that belong together, and this user may not put them in their places."""


def write_whole(path: Path, data: str | bytes, *, durable: bool = True) -> None:
    """Write a file, in place of an earlier one; several processes may do so at once.

    Args:
        path: Where; what is no regular file, such as a pipe, is written to as it is.
        data: Text is written as UTF-8.
        durable: Have it on the disk before it gets its name: after a power cut it is the old file or the new one.
    """
    with prepared(path, data, durable=durable):
        pass


@contextmanager
def prepared(path: Path, data: str | bytes, *, durable: bool = True) -> Iterator[None]:
    """Have a file written beside its place before the block; it takes that after it, and goes where the block fails.

    Args:
        path: As in `write_whole`.
        data: As there.
        durable: As there.
    """
    data = data.encode() if isinstance(data, str) else data
    if path.exists() and not path.is_file():
        path.write_bytes(data)
        yield
        return
    place = Path(os.path.realpath(path))
    part = place.with_name(f".{place.name}.part")
    with naming(path, part), _own(part) as number:
        try:
            with full_disk.naming(path):
                os.ftruncate(number, 0)
                _write_all(number, data, durable=durable)
            yield
            with full_disk.naming(path):
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
    """Write files that belong together and return their paths; none takes its place before all are on the disk.

    Args:
        folder: Where they go; made where it is missing.
        name: The set's name; another set of that name in the folder is replaced, file by file of the same name.
        files: Name to content; a name with slashes is of a folder below.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with writing(folder):
        put_set(folder, name, files)
    return [folder / file for file in files]


def inside(project: Path) -> Path:
    """Return the lock file of the sets of a project folder: beside it, nothing is the project's."""
    return project / _STATE / "sets.lock"


def _beside(folder: Path) -> Path:
    whole = Path(os.path.realpath(folder))  # the same for whoever names it by a symlink
    return whole.parent / _STATE / f"{whole.name}.lock"


@contextmanager
def writing(folder: Path, file: Path | None = None) -> Iterator[None]:
    """Keep readers and other writers of a folder's sets away, once what a killed one left is finished.

    Args:
        folder: The folder.
        file: Its lock file; one beside it where none is named.
    """
    with flocks.folder(folder, file or _beside(folder), make=True) as lock:
        lock(flocks.ALONE)
        _settle(folder)
        yield


def put_set(folder: Path, name: str, files: Mapping[str, bytes]) -> None:
    """Write files as `write_set` does, by whoever is `writing` there."""
    part = folder / f".{name}{_PART}"
    try:
        part.mkdir()
        for file, data in files.items():
            (part / file).parent.mkdir(parents=True, exist_ok=True)
            write_whole(part / file, data)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)  # else it takes what space is left
        raise
    _place(part.rename(part.with_suffix(_WHOLE)))


def drop_set(folder: Path, name: str) -> None:
    """Throw away what is left of a set that did not take its place, by whoever is `writing` there."""
    for end in (_PART, _WHOLE):
        shutil.rmtree(folder / f".{name}{end}", ignore_errors=True)


@contextmanager
def reading(folder: Path, file: Path | None = None) -> Iterator[None]:
    """Keep writers of sets away while a folder is read; what a killed one left is finished first.

    Args:
        folder: The folder.
        file: As in `writing`.

    Raises:
        UnfinishedSetError: Something was left, and may not be finished by this user.
    """
    if not folder.is_dir():
        yield
        return
    with flocks.folder(folder, file or _beside(folder)) as lock:
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
    """Move the files of a whole set to their places; readers of folders below are kept away until all are there."""
    files = sorted(file for file in whole.rglob("*") if file.is_file())
    with ExitStack() as stack:
        for folder in sorted(
            {whole.parent / file.relative_to(whole).parent for file in files} - {whole.parent}
        ):
            folder.mkdir(parents=True, exist_ok=True)
            stack.enter_context(flocks.folder(folder, _beside(folder), make=True))(flocks.ALONE)
            _settle(folder)
        for file in files:
            _move(file, Path(os.path.realpath(whole.parent / file.relative_to(whole))))
    shutil.rmtree(whole)


def _move(file: Path, place: Path) -> None:
    """Move a file, also into a folder that is mounted: only a copy of it can be renamed there."""
    try:
        file.replace(place)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        write_whole(place, file.read_bytes())
        file.unlink()
