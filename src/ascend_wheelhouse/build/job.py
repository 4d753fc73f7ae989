"""One build with nothing left to decide: the resolved recipe and the exact bytes that it starts from.

What a job holds beside its recipe is what `sources.<platform>.toml` keeps: commits, archives, patches and
the wheels of the build environment, all by digest and without a host name or a path.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ascend_wheelhouse.base.artifact import Artifact
from ascend_wheelhouse.cells.spec import BuildSpec
from ascend_wheelhouse.store.git_source import GitSource

EARLIEST = 315_532_800
"""1980-01-01 in seconds since 1970 (UTC): no member of a zip archive, and so of a wheel, can be older."""


@dataclass(frozen=True, kw_only=True)
class Patch:
    """A patch of `recipes/patches/`, applied strictly, in the order of the names."""

    name: str
    sha256: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Archive:
    """A source distribution in the store.

    Args:
        filename: Its name.
        sha256: Its digest.
        epoch: The time of its newest file, seconds since 1970; 0 where a lock of schema 1 does not say.
    """

    filename: str
    sha256: str
    epoch: int = 0


@dataclass(frozen=True, kw_only=True)
class PlacedRepository:
    """A repository that the build would clone by itself, and where it lies in the source."""

    path: str
    source: GitSource


@dataclass(frozen=True, kw_only=True)
class Sources:
    """The bytes that a build starts from.

    Args:
        tree: The source itself: a git tree or an archive.
        environment: Wheels of the build environment, by file name.
        patches: Patches, in order.
        repositories: Further repositories.
    """

    tree: GitSource | Archive
    environment: tuple[Artifact, ...] = ()
    patches: tuple[Patch, ...] = ()
    repositories: tuple[PlacedRepository, ...] = ()

    @property
    def epoch(self) -> int:
        """`SOURCE_DATE_EPOCH` of the build, and the time of its files; raised to 1980, where zip begins."""
        return max(self.tree.epoch, EARLIEST)

    @property
    def commit(self) -> str:
        """The commit, or the archive's digest where there is none."""
        return self.tree.top.commit if isinstance(self.tree, GitSource) else self.tree.sha256

    @property
    def label(self) -> str:
        """What the tree is called in a text."""
        tree = self.tree
        return f"{tree.kind} {tree.ref}" if isinstance(tree, GitSource) else tree.filename

    @property
    def digest(self) -> str:
        """What the tree is, as a SHA-256."""
        return self.tree.digest if isinstance(self.tree, GitSource) else self.tree.sha256

    def as_dict(self) -> dict[str, Any]:
        """Return what the lock keeps, the environment's wheels aside: those it keeps as locked files."""
        tree = self.tree
        return {
            "git" if isinstance(tree, GitSource) else "archive": tree.as_dict()
            if isinstance(tree, GitSource)
            else vars(tree),
            "patches": [{"name": patch.name, "sha256": patch.sha256} for patch in self.patches],
            "repositories": [{"path": item.path, "git": item.source.as_dict()} for item in self.repositories],
        }

    @classmethod
    def from_dict(cls, table: Mapping[str, Any], patches: tuple[Patch, ...] = ()) -> Sources:
        """Read back what `as_dict` wrote; the patches' texts come from the recipes, the environment from the lock."""
        git = table.get("git")
        return cls(
            tree=GitSource.from_dict(git) if git else _archive(table["archive"]),
            patches=patches,
            repositories=tuple(
                PlacedRepository(path=row["path"], source=GitSource.from_dict(row["git"]))
                for row in table.get("repositories", ())
            ),
        )


def _archive(table: Mapping[str, Any]) -> Archive:
    return Archive(filename=table["filename"], sha256=table["sha256"], epoch=table.get("epoch", 0))


@dataclass(frozen=True, kw_only=True)
class BuildJob:
    """One build.

    Args:
        component: The recipe's name.
        version: The release that is built.
        machine: What it is built on and for; `any` for a pure wheel.
        python: `major.minor`.
        spec: The recipe's build table for this cell.
        sources: What it starts from.
        host_libraries: What repair may leave to the host.
    """

    component: str
    version: str
    machine: str
    python: str
    spec: BuildSpec
    sources: Sources
    host_libraries: tuple[str, ...] = ()
