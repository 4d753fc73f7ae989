"""Laying out a wheelhouse: everything beside the old one, then one swap.

Files come from the store as hard links where the file system allows it, else as copies, and are hashed before. A run
that is killed leaves a `.partial` folder that the next run replaces, and the last good wheelhouse as it was. All is on
the disk before the swap: a power cut behind it leaves no file empty.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ascend_wheelhouse.base import full_disk, medium, occupied, rights
from ascend_wheelhouse.base.events import Emit, Note, silent
from ascend_wheelhouse.folder.manifest import NAME, Kind, ManifestEntry
from ascend_wheelhouse.store.store import Store

SUMS = "SHA256SUMS"
_NO_LINK = {errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.EACCES}
_TRIES = 5


@contextmanager
def replacing(final: Path, emit: Emit = silent) -> Iterator[Path]:
    """Give an empty folder beside `final` and put it in its place at the end; on an error `final` stays.

    One process at a time does so; others wait, and say for whom. Where `final` is a symlink, as to a larger disk, the
    folder that it leads to is the one that is replaced.

    Raises:
        OSError: The file system refused.
    """
    final = Path(os.path.realpath(final)) if final.is_symlink() else final
    part = final.with_name(f".{final.name}.partial")
    with occupied.writing(final, emit):
        occupied.recover(final)
        remove(occupied.aside(final))
        remove(part)
        part.mkdir(parents=True)
        try:
            with full_disk.naming(final):
                yield part
                rights.share_tree(part)
                copied = any(wheel.stat().st_nlink == 1 for wheel in part.glob("wheels/*.whl"))
                if copied:  # not beside the store, but perhaps on a disk that is to be carried
                    emit(Note(text=f"waiting until all of it is on the disk of {final}"))
                medium.flush_tree(part, linked=copied)
            occupied.swap(part, final)
            medium.flush_names(final.parent)
        finally:
            remove(part)


def remove(folder: Path) -> None:
    """Remove a folder tree that may not exist; of a symlink the link alone."""
    if folder.is_symlink():
        folder.unlink()
    elif folder.is_dir():
        shutil.rmtree(folder)


def place(store: Store, folder: Path, entries: Iterable[ManifestEntry]) -> None:
    """Lay store files into a wheelhouse folder; each is hashed unless this run has done so already.

    Raises:
        DamagedBlobError: A file in the store is not the one that its name says; it is removed from there.
        BlobMissingError: The store lacks it.
    """
    listed = list(entries)
    store.prove([entry.sha256 for entry in listed])
    for entry in listed:
        target = folder / entry.path
        target.parent.mkdir(parents=True, exist_ok=True)
        lay(store, entry.sha256, target)


def lay(store: Store, sha256: str, target: Path) -> None:
    """Lay one file of the store at a path; one that is proven stays so."""
    blob = store.path(sha256)
    with store.proven.linking(blob):
        link_or_copy(blob, target)


def link_or_copy(source: Path, target: Path) -> None:
    """Make a hard link, or a copy where there can be none."""
    for _ in range(_TRIES):
        try:
            os.link(source, target)
        except (
            FileNotFoundError
        ):  # another run renamed the same file over it just now: look the name up again
            continue
        except OSError as error:
            if error.errno not in _NO_LINK:
                raise
        else:
            return
        break
    shutil.copyfile(source, target)


def write(folder: Path, path: str, data: bytes, kind: Kind) -> ManifestEntry:
    """Write a small file of the wheelhouse and return its entry."""
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)
    return ManifestEntry.written(path, data, kind)


def write_sums(folder: Path, entries: Sequence[ManifestEntry]) -> None:
    """Write `SHA256SUMS` in the form that `sha256sum -c` reads, the manifest included."""
    digests = {entry.path: entry.sha256 for entry in entries}
    digests[NAME] = hashlib.sha256((folder / NAME).read_bytes()).hexdigest()
    lines = [f"{digest}  {path}\n" for path, digest in sorted(digests.items())]
    (folder / SUMS).write_text("".join(lines), "utf-8")
