"""What a build starts from, decided while there is a network: commits, archives, files, the environment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ascend_wheelhouse.base import pyproject
from ascend_wheelhouse.base.artifact import Artifact, Expected
from ascend_wheelhouse.base.events import Emit, JobFinished, JobStarted
from ascend_wheelhouse.base.layered import Layered
from ascend_wheelhouse.build.job import Archive, PlacedRepository, Sources
from ascend_wheelhouse.build.patches import patches_for
from ascend_wheelhouse.cells.recipe import GitOrigin, SdistOrigin
from ascend_wheelhouse.cells.spec import BuildSpec, Repository
from ascend_wheelhouse.cells.target import Target
from ascend_wheelhouse.fetch.fetch import fetch_all
from ascend_wheelhouse.fetch.transfer import Download
from ascend_wheelhouse.origins.git import newest_branch, pin
from ascend_wheelhouse.origins.http import Http
from ascend_wheelhouse.origins.index import Finder
from ascend_wheelhouse.origins.mirrors import Mirrors
from ascend_wheelhouse.pin.archive_facts import epoch_of
from ascend_wheelhouse.pin.build_environment import lock_environment
from ascend_wheelhouse.pin.source_text import project_files
from ascend_wheelhouse.resolve.request import Resolver
from ascend_wheelhouse.store.git_source import GitSource, bundle_of
from ascend_wheelhouse.store.store import Store

_OLD_STYLE = ("setuptools>=40.8.0", "wheel")
_FROM_TABLE = ("branch", "release")
"""Names in a `ref` that the compatibility table gives for a release that it has."""


@dataclass(frozen=True, kw_only=True)
class SourceLocker:
    """Pins what builds start from, and brings it into the store.

    Args:
        store: Where bytes go.
        emit: Told of the progress.
        http: The HTTP client for indexes and files.
        mirrors: Redirections of git repositories; those of the host by default.
        resolver: Resolves build environments.
        patches: The folder `recipes/patches`.
    """

    store: Store
    emit: Emit
    http: Http
    mirrors: Mirrors
    resolver: Resolver
    patches: Path | Layered

    def lock(
        self,
        component: str,
        version: str,
        origin: GitOrigin | SdistOrigin,
        spec: BuildSpec,
        target: Target,
        *,
        fields: Mapping[str, str],
        distribution: str = "",
        constraints: Sequence[str] = (),
        tree: GitSource | Archive | None = None,
    ) -> Sources:
        """Return the pinned sources of one component.

        Args:
            component: The recipe's name.
            version: The release.
            origin: Where its source is.
            spec: Its build table for the cell.
            target: The machine that it is built on and for.
            fields: What the origin's templates may name.
            distribution: The name on the index; the component's when empty.
            constraints: The runtime lock's pins.
            tree: The source itself, where `tree` has pinned it already.
        """
        self.emit(JobStarted(job=component, action="lock source"))
        tree = tree or self.tree(distribution or component, version, origin, target, fields=fields)
        repositories = tuple(map(self._repository, spec.repositories))
        self.downloads(spec)
        sources = Sources(
            tree=tree,
            patches=patches_for(self.patches, component, version),
            repositories=repositories,
            environment=self._environment(tree, spec, target, constraints),
        )
        self.emit(JobFinished(job=component, outcome="done", detail=sources.commit[:12]))
        return sources

    def _environment(
        self, tree: GitSource | Archive, spec: BuildSpec, target: Target, constraints: Sequence[str]
    ) -> tuple[Artifact, ...]:
        requirements = (*spec.requirements, *self.build_requirements(tree, spec))
        if not requirements:
            return ()
        return lock_environment(
            requirements,
            target,
            resolver=self.resolver,
            store=self.store,
            emit=self.emit,
            http=self.http,
            constraints=constraints,
        )

    def _repository(self, item: Repository) -> PlacedRepository:
        source = pin(item.url, item.ref, store=self.store, mirrors=self.mirrors)
        return PlacedRepository(path=item.path, source=source)

    def tree(
        self,
        distribution: str,
        version: str,
        origin: GitOrigin | SdistOrigin,
        target: Target,
        *,
        fields: Mapping[str, str],
    ) -> GitSource | Archive:
        """Return the source itself, pinned and in the store; see `lock` for the arguments."""
        if isinstance(origin, SdistOrigin):
            return self.sdist(distribution, version, target)
        url = origin.url.format_map(fields)
        ref = self._ref(origin, url, fields)
        return pin(url, ref, store=self.store, mirrors=self.mirrors, submodules=origin.submodules)

    def _ref(self, origin: GitOrigin, url: str, fields: Mapping[str, str]) -> str:
        """Return the ref; where the table does not have the release, the newest `v<torch>-*` of the remote."""
        if any(f"{{{name}}}" in origin.ref and name not in fields for name in _FROM_TABLE):
            return newest_branch(url, fields["torch"], self.mirrors)
        return origin.ref.format_map(fields)

    def sdist(self, distribution: str, version: str, target: Target) -> Archive:
        """Return the source distribution of a release, in the store."""
        found = Finder(self.http).find_file(distribution, version, target, sdist=True)
        download = Download.of(found.artifact, urls=(found.url,))
        (fetched,) = fetch_all([download], self.store, self.emit, http=self.http)
        epoch = epoch_of(self.store, fetched.sha256)
        return Archive(filename=found.filename, sha256=fetched.sha256, epoch=epoch)

    def downloads(self, spec: BuildSpec) -> None:
        """Have the files that the build itself would download in the store."""
        wanted = [
            Download(
                filename=item.filename,
                expected=Expected(sha256=item.sha256),
                urls=(self.mirrors.redirect(item.url),),
            )
            for item in spec.downloads
        ]
        if wanted:
            fetch_all(wanted, self.store, self.emit, http=self.http)

    def build_requirements(self, tree: GitSource | Archive, spec: BuildSpec) -> tuple[str, ...]:
        """Return what the project's own build system asks for; nothing for a script, or where the recipe says so.

        Where another project file takes the place of the published one, its build system is the one that runs.
        """
        if spec.backend == "script" or not spec.own_requirements:
            return ()
        own = spec.project_file
        names = (*(own.files if own else ()), "pyproject.toml")
        held = project_files(tree, self.store, spec.subdirectory, names)
        text = next((held[name] for name in names if name in held), b"")
        label = tree.ref if isinstance(tree, GitSource) else tree.filename
        system: dict[str, Any] = pyproject.parse(text, label).get("build-system", {})
        return tuple(system.get("requires", _OLD_STYLE))

    def bring(self, sources: Sources) -> None:
        """Have the commits of pinned sources in the store, each fetched again by its very id where it is missing.

        Raises:
            RefMovedError: A tag or branch is no longer what was locked.
            SourceUnreachableError: A server does not answer.
        """
        for tree in (sources.tree, *(item.source for item in sources.repositories)):
            if isinstance(tree, GitSource) and any(
                bundle_of(self.store, module.commit) is None for module in tree.modules
            ):
                pin(
                    tree.top.url,
                    tree.ref,
                    store=self.store,
                    mirrors=self.mirrors,
                    submodules=len(tree.modules) > 1,
                    locked=tree.top.commit,
                )
