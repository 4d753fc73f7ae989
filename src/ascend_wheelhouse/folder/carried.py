"""What `sources/` of a wheelhouse holds: all that its built components start from, so that no server is asked again.

That is source archives, one git bundle for each commit of a tree and its submodules, the wheels of the build
environments that the runtime does not have anyway, and the files that build scripts would download.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from ascend_wheelhouse.build.command import spec_of
from ascend_wheelhouse.build.job import Sources
from ascend_wheelhouse.cells.cell import Cell
from ascend_wheelhouse.cells.recipe import Recipes
from ascend_wheelhouse.folder.manifest import Entry
from ascend_wheelhouse.locks.lock import Lock, LockedSource
from ascend_wheelhouse.store.git_source import GitModule, GitSource, bundle_of
from ascend_wheelhouse.store.store import Store

FOLDER = "sources"


@dataclass(frozen=True, kw_only=True)
class SourceFile:
    """One file of `sources/`.

    Args:
        component: Whose build needs it.
        filename: Its own name.
        sha256: Its digest; empty for a commit that the store has no bundle of.
        name: What it is called: component, repository or distribution.
        version: Its release or commit.
        origin: Where it came from, as the manifest says it.
        note: More of that.
    """

    component: str
    filename: str
    sha256: str
    name: str
    version: str
    origin: str
    note: str = ""


def source_files(source: LockedSource, store: Store) -> Iterator[SourceFile]:
    """Yield what the lock names for a component's build, whether the store has it or not."""
    owner = source.component
    if source.filename:
        yield SourceFile(
            component=owner,
            filename=source.filename,
            sha256=source.sha256,
            name=owner,
            version=source.version,
            origin=source.origin,
        )
    for module in _modules(source):
        yield _bundle(owner, module, store)
    for wheel in source.environment:
        yield SourceFile(
            component=owner,
            filename=wheel.filename,
            sha256=wheel.sha256,
            name=wheel.name,
            version=wheel.version,
            origin=wheel.origin or "index",
            note="build environment",
        )


def _modules(source: LockedSource) -> Iterator[GitModule]:
    if not source.build:
        return
    sources = Sources.from_dict(source.build)
    for tree in (sources.tree, *(item.source for item in sources.repositories)):
        if isinstance(tree, GitSource):
            yield from tree.modules


def _bundle(component: str, module: GitModule, store: Store) -> SourceFile:
    repository = PurePosixPath(urlsplit(module.url).path).name.removesuffix(".git")
    path = bundle_of(store, module.commit)
    return SourceFile(
        component=component,
        filename=f"{repository}-{module.commit}.bundle",
        sha256=path.name if path else "",
        name=repository,
        version=module.commit,
        origin="git",
        note=module.url,
    )


def _downloads(source: LockedSource, cell: Cell, recipes: Recipes) -> Iterator[SourceFile]:
    recipe = recipes[source.component]
    for item in spec_of(recipe, cell).downloads if source.build and recipe.build else ():
        name = PurePosixPath(urlsplit(item.url).path).name
        yield SourceFile(
            component=source.component,
            filename=f"{item.sha256[:12]}-{name}",
            sha256=item.sha256,
            name=name,
            version="",
            origin="url",
            note=item.url,
        )


def entries(
    lock: Lock, cell: Cell, recipes: Recipes, store: Store, elsewhere: Collection[str] = ()
) -> list[Entry]:
    """Return the manifest's entries of `sources/`, each file once.

    Args:
        lock: The lock.
        cell: Its cell.
        recipes: Every recipe.
        store: What it lacks is left out; see `lacking`.
        elsewhere: Digests of what other folders of the wheelhouse hold.
    """
    placed: dict[str, Entry] = {}
    for file in _each(lock, cell, recipes, store):
        if file.sha256 in elsewhere or file.sha256 in placed or not _held(file, store):
            continue
        placed[file.sha256] = Entry(
            path=f"{FOLDER}/{file.filename}",
            size=store.size_of(file.sha256),
            sha256=file.sha256,
            kind="source",
            name=file.name,
            version=file.version,
            component=file.component,
            origin=file.origin,
            note=file.note,
        )
    return list(placed.values())


def lacking(lock: Lock, cell: Cell, recipes: Recipes, store: Store) -> list[SourceFile]:
    """Return what `sources/` should hold and the store has not."""
    return [file for file in _each(lock, cell, recipes, store) if not _held(file, store)]


def _each(lock: Lock, cell: Cell, recipes: Recipes, store: Store) -> Iterator[SourceFile]:
    for source in lock.sources:
        yield from source_files(source, store)
        yield from _downloads(source, cell, recipes)


def _held(file: SourceFile, store: Store) -> bool:
    return bool(file.sha256) and store.has(file.sha256)
