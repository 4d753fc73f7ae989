"""What a build starts from, decided while there is a network: commits, archives, files, the environment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

from ascend_wheelhouse import project_file
from ascend_wheelhouse.build.environment import lock_environment
from ascend_wheelhouse.build.job import Archive, EnvironmentFile, PlacedRepository, Sources
from ascend_wheelhouse.build.patches import patches_for
from ascend_wheelhouse.build.source_tree import archive_epoch
from ascend_wheelhouse.build.spec import BuildSpec, Repository
from ascend_wheelhouse.events import Emit, JobFinished, JobStarted
from ascend_wheelhouse.fetch import fetch_all
from ascend_wheelhouse.git_source import GitFailedError, GitSource, git, unbundle
from ascend_wheelhouse.origins.git import newest_branch, pin
from ascend_wheelhouse.origins.http import Http
from ascend_wheelhouse.origins.index import Finder
from ascend_wheelhouse.origins.mirrors import Mirrors
from ascend_wheelhouse.recipe import GitOrigin, SdistOrigin
from ascend_wheelhouse.resolve.request import Resolver
from ascend_wheelhouse.store import Store
from ascend_wheelhouse.target import Target
from ascend_wheelhouse.transfer import Download

_OLD_STYLE = ("setuptools>=40.8.0", "wheel")
_FRONTEND = "build>=1.2"
_BRANCH = "{branch}"


@dataclass(frozen=True, kw_only=True)
class SourceLocker:
    """Pins what builds start from, and brings it into the store.

    Args:
        store: Where bytes go.
        emit: Told of the progress.
        http: The door to indexes and files.
        mirrors: Redirections of git repositories; those of the host by default.
        resolver: Resolves build environments.
        patches: The folder `recipes/patches`.
    """

    store: Store
    emit: Emit
    http: Http
    mirrors: Mirrors
    resolver: Resolver
    patches: Path

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
        locked: Sources | None = None,
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
            locked: An earlier lock, whose commits stay.
        """
        self.emit(JobStarted(job=component, action="lock source"))
        tree = self._tree(distribution or component, version, origin, target, fields=fields, locked=locked)
        self.downloads(spec)
        sources = Sources(
            tree=tree,
            environment=self._environment(tree, spec, target, constraints),
            patches=patches_for(self.patches, component, version),
            repositories=tuple(map(self._repository, spec.repositories)),
        )
        self.emit(JobFinished(job=component, outcome="done", detail=sources.commit[:12]))
        return sources

    def _environment(
        self, tree: GitSource | Archive, spec: BuildSpec, target: Target, constraints: Sequence[str]
    ) -> tuple[EnvironmentFile, ...]:
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

    def _tree(
        self,
        distribution: str,
        version: str,
        origin: GitOrigin | SdistOrigin,
        target: Target,
        *,
        fields: Mapping[str, str],
        locked: Sources | None,
    ) -> GitSource | Archive:
        if isinstance(origin, SdistOrigin):
            return self.sdist(distribution, version, target)
        url = origin.url.format_map(fields)
        ref = self._ref(origin, url, fields)
        before = locked.commit if locked and isinstance(locked.tree, GitSource) else ""
        return pin(
            url, ref, store=self.store, mirrors=self.mirrors, submodules=origin.submodules, locked=before
        )

    def _ref(self, origin: GitOrigin, url: str, fields: Mapping[str, str]) -> str:
        """Return the ref; where the table has no branch, the newest `v<torch>-*` of the remote."""
        if _BRANCH in origin.ref and "branch" not in fields:
            return newest_branch(url, fields["torch"], self.mirrors)
        return origin.ref.format_map(fields)

    def sdist(self, distribution: str, version: str, target: Target) -> Archive:
        """Return the source distribution of a release, in the store."""
        found = Finder(self.http).find_file(distribution, version, target, sdist=True)
        download = Download(filename=found.filename, sha256=found.sha256, size=found.size, urls=(found.url,))
        (fetched,) = fetch_all([download], self.store, self.emit, http=self.http)
        epoch = archive_epoch(self.store.path(fetched.sha256))
        return Archive(filename=found.filename, sha256=fetched.sha256, epoch=epoch)

    def downloads(self, spec: BuildSpec) -> None:
        """Have the files that the build itself would download in the store."""
        wanted = [
            Download(
                filename=item.url.rsplit("/", 1)[-1],
                sha256=item.sha256,
                urls=(self.mirrors.redirect(item.url),),
            )
            for item in spec.downloads
        ]
        fetch_all(wanted, self.store, self.emit, http=self.http)

    def build_requirements(self, tree: GitSource | Archive, spec: BuildSpec) -> tuple[str, ...]:
        """Return what the project's own build system asks for, and the frontend; nothing for a script."""
        if spec.backend == "script":
            return ()
        name = str(PurePosixPath(spec.subdirectory, "pyproject.toml"))
        text = self._git_text(tree, name) if isinstance(tree, GitSource) else self._archive_text(tree, name)
        label = tree.ref if isinstance(tree, GitSource) else tree.filename
        system: dict[str, Any] = project_file.parse(text, label).get("build-system", {})
        return (_FRONTEND, *system.get("requires", _OLD_STYLE))

    def _git_text(self, tree: GitSource, name: str) -> bytes:
        with TemporaryDirectory(prefix="wheelhouse-git-") as folder:
            place = unbundle(self.store, tree.top.commit, Path(folder, "top"))
            try:
                return git("show", f"{tree.top.commit}:{name}", at=place).encode()
            except GitFailedError:
                return b""

    def _archive_text(self, tree: Archive, name: str) -> bytes:
        path = self.store.path(tree.sha256)
        return project_file.member(path, lambda inside: str(inside) == name, tree.filename) or b""
