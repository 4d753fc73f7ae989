"""Release archives (zip or tar) that hold wheels: one member taken out, by pattern, into the store.

Members are streamed and named by their last path component only, so an archive cannot write anywhere.
"""

from __future__ import annotations

import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import IO, Self

from ascend_wheelhouse.base.archives import ZipArchive, swells, telling
from ascend_wheelhouse.base.artifact import Artifact
from ascend_wheelhouse.base.errors import IntegrityError, ResolveError
from ascend_wheelhouse.store.store import Store
from ascend_wheelhouse.wheels.admission import UnsafeArchiveError, require_safe
from ascend_wheelhouse.wheels.intake import require_sound
from ascend_wheelhouse.wheels.wheel_names import check_wheel_names


class BrokenArchiveError(IntegrityError):
    """An archive cannot be read."""


class NoSuchMemberError(ResolveError):
    """No member of an archive fits the pattern; the text lists what there is."""


class SeveralMembersError(ResolveError):
    """More than one member of an archive fits the pattern; the text lists them."""


def take_member(archive: Path, pattern: str, store: Store, *, label: str) -> Artifact:
    """Put the one member that `pattern` fits into the store, and return it.

    Args:
        archive: A zip or tar file.
        pattern: Shell pattern of the member's whole name, or of its last component.
        store: Where to.
        label: What errors call the archive.

    Raises:
        NoSuchMemberError: Nothing fits.
        SeveralMembersError: More than one member fits.
        BrokenArchiveError: The archive cannot be read.
        IntegrityError: The member is a wheel that cannot be read or contradicts its name.
    """
    with _reading(label):
        opened = _Zip(archive) if zipfile.is_zipfile(archive) else _Tar(archive)
        with opened:
            name = _only(pattern, opened.names(), label)
            opened.refuse_swollen(name, label)
            with store.incoming() as path:
                with opened.open(name) as member:
                    sha256 = store.copy_in(member, path)
                filename = name.rpartition("/")[2]
                check_wheel_names(path, filename)
                require_sound(path, filename)
                store.adopt(path, sha256)
    return store.artifact(filename, sha256)


class _Zip(ZipArchive):
    def names(self) -> list[str]:
        return [name for name in self.namelist() if not name.endswith("/")]

    def refuse_swollen(self, name: str, label: str) -> None:
        require_safe(label, [self.getinfo(name)])


class _Tar:
    def __init__(self, path: Path) -> None:
        self._tar = tarfile.open(path)  # noqa: SIM115 - closed by __exit__
        self._packed = path.stat().st_size

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._tar.close()

    def names(self) -> list[str]:
        return [member.name for member in self._tar if member.isfile()]

    def refuse_swollen(self, name: str, label: str) -> None:
        size = self._tar.getmember(name).size
        if swells(size, self._packed):
            raise UnsafeArchiveError(
                f"{label} is not safe to open: {name} swells it to {size} bytes, from {self._packed}.",
                why="Build tools write no such archives: it is damaged, or made to do harm.",
                next_step="get the file from its publisher again, and compare its sha256 with theirs",
            )

    def open(self, name: str) -> IO[bytes]:
        member = self._tar.extractfile(name)
        if member is None:
            raise tarfile.ReadError(f"{name} is not a file")
        return member


def _only(pattern: str, names: list[str], label: str) -> str:
    fitting = [name for name in names if _fits(name, pattern)]
    if len(fitting) == 1:
        return fitting[0]
    if not fitting:
        raise NoSuchMemberError(
            f"{label} has no file that fits {pattern!r}.",
            why=f"It has {', '.join(sorted(names)[:20]) or 'no files'}.",
            next_step="correct `member` in the recipe",
        )
    raise SeveralMembersError(
        f"{label} has {len(fitting)} files that fit {pattern!r}: {', '.join(sorted(fitting)[:20])}.",
        next_step="make `member` in the recipe fit one of them only",
    )


def _fits(name: str, pattern: str) -> bool:
    return fnmatchcase(name, pattern) or fnmatchcase(name.rpartition("/")[2], pattern)


@contextmanager
def _reading(label: str) -> Iterator[None]:
    def broken(fault: str) -> BrokenArchiveError:
        return BrokenArchiveError(
            f"{label} cannot be read as a zip or tar archive: {fault}",
            why="The release is damaged, or a page came in its place.",
            next_step="open the URL in a browser, or import the wheel with `invoke vendor FILE`",
        )

    with telling(broken):
        yield
