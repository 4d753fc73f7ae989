"""The source folder of a build: laid out from the store, patched, its project file replaced, edited, cleaned.

The same every time, and for every kind of build: what runs in it afterwards is a script or a build backend.
"""

from __future__ import annotations

import shutil
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

from ascend_wheelhouse.base.archives import ZipArchive, telling
from ascend_wheelhouse.base.errors import IntegrityError
from ascend_wheelhouse.base.unpack import extract
from ascend_wheelhouse.build.conditions import Order
from ascend_wheelhouse.build.inside import inside
from ascend_wheelhouse.build.job import EARLIEST, Archive, BuildJob
from ascend_wheelhouse.build.lfs_pointers import refuse_pointers
from ascend_wheelhouse.build.patches import apply_edits, apply_patches
from ascend_wheelhouse.build.project_file import PUBLISHED, project_folder, put_project_file
from ascend_wheelhouse.store.dated import date_files
from ascend_wheelhouse.store.git_source import GitSource, git, lay_out
from ascend_wheelhouse.store.store import Store


class BadArchiveError(IntegrityError):
    """A source archive does not hold exactly one project folder."""


def lay_source(
    job: BuildJob, store: Store, folder: Path, *, values: Mapping[str, str], order: Order = "sorted"
) -> None:
    """Fill `folder` with the job's source, ready for its first step.

    Args:
        job: The build.
        store: Where bundles and archives are.
        folder: An absent folder.
        values: The late placeholders, for edits.
        order: In which order files are made, which a directory listing may follow.

    Raises:
        GitBundleMissingError, BlobMissingError: The store lacks the source.
        DamagedBlobError, TreeChangedError: It has other bytes than the lock says.
        PatchFailedError, EditFailedError: A change does not fit.
        NoProjectError, ProjectFileMissingError: There is nothing to put in place of the project file.
        LfsPointerError: Files of it are pointers of Git LFS alone.
        LinkOutError: What is to be changed lies behind a link that leads out of it.
    """
    folder.mkdir(parents=True)
    if isinstance(job.sources.tree, GitSource):
        lay_out(job.sources.tree, store, folder)
    else:
        unpack(job.sources.tree, store, folder)
    for item, repository in zip(job.sources.repositories, job.spec.repositories, strict=True):
        place = inside(folder, item.path)
        lay_out(item.source, store, place)
        git("tag", repository.ref, item.source.top.commit, at=place)
    apply_patches(folder, job.sources.patches)
    if table := job.spec.project_file:
        place = folder / project_folder(folder, job.spec.subdirectory)
        for name in (PUBLISHED, *table.files):
            inside(folder, place.relative_to(folder) / name)
        put_project_file(place, table, name=job.component, version=job.version)
    apply_edits(folder, job.spec.edits, values)
    for name in job.spec.clean:
        shutil.rmtree(inside(folder, name), ignore_errors=True)
    refuse_pointers(folder, job.sources.label, job.component)
    date_files(folder, job.sources.epoch)
    if order == "reversed":
        lay_again(folder)


def unpack(archive: Archive, store: Store, folder: Path) -> None:
    """Unpack a source distribution without its top folder.

    Raises:
        BlobMissingError, DamagedBlobError: The store lacks it, or has other bytes.
        BadArchiveError: It holds more than one folder at its top.
    """
    store.check(archive.sha256)
    inner = folder.with_name(f"{folder.name}.unpacked")
    try:
        inner.mkdir()
        with telling(lambda fault: _bad(archive.filename, f"cannot be unpacked: {fault}")):
            _unpack_into(archive, store.path(archive.sha256), inner)
        tops = list(inner.iterdir())
        if len(tops) != 1 or not tops[0].is_dir() or tops[0].is_symlink():
            raise _bad(
                archive.filename,
                f"holds {len(tops)} entries at its top, a source distribution has one folder",
            )
        folder.rmdir()
        tops[0].rename(folder)
    finally:
        shutil.rmtree(inner, ignore_errors=True)


def _bad(filename: str, fault: str) -> BadArchiveError:
    return BadArchiveError(
        f"{filename} {fault}.",
        why="It is damaged, or made to write outside its own folder, or to fill the disk.",
        next_step="look at the archive; the lock may name the wrong file",
    )


def _unpack_into(archive: Archive, path: Path, folder: Path) -> None:
    if archive.filename.endswith(".zip"):
        with ZipArchive(path) as opened:
            opened.unzip(folder)
    else:
        with tarfile.open(path) as opened_tar:
            extract(opened_tar, folder, packed=path.stat().st_size)


def archive_epoch(path: Path) -> int:
    """Return the time of the newest file of a source distribution, seconds since 1970."""
    if zipfile.is_zipfile(path):
        return EARLIEST
    with telling(lambda fault: _bad(path.name, f"cannot be read: {fault}")), tarfile.open(path) as opened:
        return int(max((member.mtime for member in opened if member.isfile()), default=EARLIEST))


def lay_again(folder: Path) -> None:
    """Make every file of a folder anew in the reverse order of names; times and modes stay."""
    before = folder.with_name(f"{folder.name}.before")
    folder.rename(before)
    _copy_reversed(before, folder)
    shutil.rmtree(before)


def _copy_reversed(source: Path, target: Path) -> None:
    target.mkdir()
    for entry in sorted(source.iterdir(), reverse=True):
        if entry.is_dir() and not entry.is_symlink():
            _copy_reversed(entry, target / entry.name)
        else:
            shutil.copy2(entry, target / entry.name, follow_symlinks=False)
    shutil.copystat(source, target)
