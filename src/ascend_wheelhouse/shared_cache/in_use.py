"""What locks still name, so that it is removed from no store and no shared cache."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from ascend_wheelhouse.base import whole_file
from ascend_wheelhouse.base.errors import UsageError
from ascend_wheelhouse.build.job import Sources
from ascend_wheelhouse.folder import carried
from ascend_wheelhouse.locks import lock, pylock
from ascend_wheelhouse.locks.lock import LockedSource
from ascend_wheelhouse.locks.stated_cell import naming_cell
from ascend_wheelhouse.locks.toolchain_lock import every_toolchain
from ascend_wheelhouse.shared_cache.retention import InUse
from ascend_wheelhouse.store.git_source import GitSource
from ascend_wheelhouse.store.store import Store
from ascend_wheelhouse.store.vendored import list_vendored


class NoLocksError(UsageError):
    """A folder that was given for its locks has none."""


def named(folders: Iterable[Path], store: Store) -> set[str]:
    """Return the digests that locks and imported files name.

    Args:
        folders: Each with the folders of locks in it, such as `lockfiles`.
        store: Where bundles of git commits are looked up.
    """
    found = {record.sha256 for record in list_vendored(store)}
    for top in folders:
        found |= {file.sha256 for one in every_toolchain(top) for file in one.files}
        for folder in _lock_folders(top):
            with whole_file.reading(folder):
                for path in folder.glob("pylock.*.toml"):
                    with naming_cell(path):
                        found |= {file.sha256 for file in pylock.load_pylock(path).files}
                for path in folder.glob("payloads.*.toml"):
                    platform = path.name.split(".")[1]
                    with naming_cell(folder / f"pylock.{platform}.toml"):
                        found |= {one.sha256 for one in lock.payloads_in(folder, platform)}
                for source in _sources(folder):
                    held = (file.artifact for file in carried.source_files(source, store))
                    found |= {artifact.sha256 for artifact in held if artifact}
    return found


def in_use(folders: Iterable[Path], store: Store) -> InUse:
    """Return what locks name, as shared caches have it; see `named`."""
    tops = list(folders)
    builds, keys, digests = set(), set(), named(tops, store)
    for folder in (one for top in tops for one in _lock_folders(top)):
        with whole_file.reading(folder):
            for source in _sources(folder):
                digests |= {one.sha256 for one in (source.archive, source.wheel, *source.environment) if one}
                if source.build:
                    sources = Sources.from_dict(source.build)
                    builds.add((source.component, sources.digest))
                    keys |= {f"git-{commit}" for commit in _commits(sources)}
    return InUse(digests=frozenset(digests), keys=frozenset(keys), builds=frozenset(builds))


def require_locks(folder: Path) -> Path:
    """Return a folder that has locks.

    Raises:
        NoLocksError: It has none.
    """
    if not any(any(one.glob("pylock.*.toml")) for one in _lock_folders(folder)):
        raise NoLocksError(
            f"{folder} holds no lock.",
            why="A lock is named by the folder that its pylock.*.toml lies in, or by the one above.",
            next_step="correct --lock",
        )
    return folder


def _lock_folders(top: Path) -> list[Path]:
    return [top, *(one for one in top.glob("*/") if one.is_dir())]


def _sources(folder: Path) -> Iterator[LockedSource]:
    for path in folder.glob("sources.*.toml"):
        platform = path.name.split(".")[1]
        with naming_cell(folder / f"pylock.{platform}.toml"):
            sources = lock.sources_in(folder, platform)
        yield from sources


def _commits(sources: Sources) -> Iterator[str]:
    for tree in (sources.tree, *(item.source for item in sources.repositories)):
        if isinstance(tree, GitSource):
            yield from (module.commit for module in tree.modules)
