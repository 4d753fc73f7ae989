"""What `sources/` of a wheelhouse holds: all that its built components start from, so that no server is asked again.

That is source archives, one git bundle for each commit of a tree and its submodules, the wheels of the build
environments that the runtime does not have anyway, and the files that build scripts would download.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from ascend_wheelhouse.base.artifact import Artifact
from ascend_wheelhouse.build.command import spec_of
from ascend_wheelhouse.build.job import Sources
from ascend_wheelhouse.cells.cell import Cell
from ascend_wheelhouse.cells.recipe import Recipes
from ascend_wheelhouse.folder.manifest import ManifestEntry
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
        artifact: The file itself; None while the store has not got it.
        name: What it is called: component, repository or distribution.
        version: Its release or commit.
        origin: Where it came from, as the manifest says it.
        note: More of that.
    """

    component: str
    filename: str
    artifact: Artifact | None
    name: str
    version: str
    origin: str
    note: str = ""


def source_files(source: LockedSource, store: Store) -> Iterator[SourceFile]:
    """Yield what the lock names for a component's build, whether the store has it or not."""
    owner = source.component
    if source.archive:
        yield SourceFile(
            component=owner,
            filename=source.archive.filename,
            artifact=_held(source.archive.filename, source.archive.sha256, store),
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
            artifact=_held(wheel.filename, wheel.sha256, store),
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
    filename = f"{repository}-{module.commit}.bundle"
    path = bundle_of(store, module.commit)
    return SourceFile(
        component=component,
        filename=filename,
        artifact=_held(filename, path.name, store) if path else None,
        name=repository,
        version=module.commit,
        origin="git",
        note=module.url,
    )


def _downloads(source: LockedSource, cell: Cell, recipes: Recipes, store: Store) -> Iterator[SourceFile]:
    recipe = recipes[source.component]
    for item in spec_of(recipe, cell).downloads if source.build and recipe.build else ():
        filename = f"{item.sha256[:12]}-{item.filename}"
        yield SourceFile(
            component=source.component,
            filename=filename,
            artifact=_held(filename, item.sha256, store),
            name=item.filename,
            version="",
            origin="url",
            note=item.url,
        )


def entries(
    lock: Lock, cell: Cell, recipes: Recipes, store: Store, elsewhere: Collection[str] = ()
) -> list[ManifestEntry]:
    """Return the manifest's entries of `sources/`, each file once.

    Of two files with one name the second has the begin of its digest before it.

    Args:
        lock: The lock.
        cell: Its cell.
        recipes: Every recipe.
        store: What it lacks is left out; see `lacking`.
        elsewhere: Digests of what other folders of the wheelhouse hold.
    """
    placed: dict[str, ManifestEntry] = {}
    names: set[str] = set()
    for file in _each(lock, cell, recipes, store):
        artifact = file.artifact
        if artifact is None or artifact.sha256 in elsewhere or artifact.sha256 in placed:
            continue
        if artifact.filename in names:  # of two indexes or archives of one tag: other bytes
            artifact = replace(artifact, filename=f"{artifact.sha256[:12]}-{artifact.filename}")
        names.add(artifact.filename)
        placed[artifact.sha256] = ManifestEntry(
            artifact=artifact,
            folder=FOLDER,
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
    return [file for file in _each(lock, cell, recipes, store) if file.artifact is None]


def _each(lock: Lock, cell: Cell, recipes: Recipes, store: Store) -> Iterator[SourceFile]:
    for source in lock.sources:
        yield from source_files(source, store)
        yield from _downloads(source, cell, recipes, store)


def _held(filename: str, sha256: str, store: Store) -> Artifact | None:
    return store.artifact(filename, sha256) if store.has(sha256) else None
