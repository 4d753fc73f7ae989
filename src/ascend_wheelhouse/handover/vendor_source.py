"""Importing a source in git that no server gave: a clone with its submodules, a git bundle, or a packed clone.

Git carries the proof of what it holds: every commit is asked for by its id, and what a lock names by digest is compared
again when it is laid out. So a commit is kept as if a server had given it, and builds go on from it as ever.
"""

from __future__ import annotations

import shlex
import tarfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from ascend_wheelhouse.base.artifact import Artifact
from ascend_wheelhouse.base.errors import IntegrityError, UsageError
from ascend_wheelhouse.base.scratch import scratch
from ascend_wheelhouse.base.unpack import extract
from ascend_wheelhouse.cells.artefact_name import NameFacts
from ascend_wheelhouse.cells.recipe import Recipes
from ascend_wheelhouse.handover.source_owner import Owner, owner_of
from ascend_wheelhouse.origins.git import RefMissingError, fetch_commit, submodules_of
from ascend_wheelhouse.store.git_source import GitFailedError, bundle_of, git, keep_bundle, new_repository
from ascend_wheelhouse.store.store import Store
from ascend_wheelhouse.store.vendored import VendoredRecord, put_record

_ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.bz2")


class NoCommitError(UsageError):
    """What was given for a source in git holds no commit."""


class OthersCloneError(UsageError):
    """A clone belongs to another user, and git does not read such ones."""


class SourceDamagedError(IntegrityError):
    """A git bundle, or a packed clone, cannot be read."""


@dataclass(frozen=True, kw_only=True)
class KeptSource:
    """One commit that is in the store now.

    Args:
        path: Where its repository lies below the imported one; `.` is that itself.
        commit: Its id.
        owner: The component that it is the source of, and its release, as far as they are known.
    """

    path: str
    commit: str
    owner: Owner = field(default_factory=Owner)


@dataclass(frozen=True, kw_only=True)
class VendoredSource:
    """What an import of a source gave.

    Args:
        kept: Every commit that is in the store now.
        lacking: Submodules whose repositories were not there: path and commit.
        changed: Files of a clone, and submodules, that are not as its commit has them: none of that was imported.
    """

    kept: tuple[KeptSource, ...]
    lacking: tuple[KeptSource, ...]
    changed: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, object]:
        """Return what `--json` prints."""
        return {
            "commits": [{"path": one.path, "commit": one.commit, **vars(one.owner)} for one in self.kept],
            "lacking": [{"path": one.path, "commit": one.commit} for one in self.lacking],
            "changed": list(self.changed),
        }


def is_source(path: Path) -> bool:
    """Tell whether a path looks like a source in git: a clone, a bundle, or an archive that is no sdist by its name."""
    if path.is_dir():
        return (path / ".git").exists() or (path / "objects").is_dir()
    return path.suffix == ".bundle" or (path.name.endswith(_ARCHIVES) and _holds_git(path))


def _holds_git(path: Path) -> bool:
    try:
        with tarfile.open(path) as archive:
            return any(_git_of(member.name) is not None for member in archive)
    except (OSError, EOFError, tarfile.TarError):
        return False


def _git_of(name: str) -> str | None:
    """Return the folder of a clone that a member `folder/.git` of an archive shows."""
    folder, _, last = name.rstrip("/").rpartition("/")
    return folder if last == ".git" and "/" not in folder.removeprefix("./") else None


def vendor_source(
    path: Path,
    *,
    store: Store,
    wanted: Collection[str] = (),
    recipes: Recipes | None = None,
    stated: Owner | None = None,
) -> VendoredSource:
    """Keep the commits of a source in git.

    Args:
        path: A clone (its submodules in their places), a git bundle, or a tar archive of a clone.
        store: Where the commits go.
        wanted: Commits that are kept beside the checked-out one, as far as it has them.
        recipes: Every recipe: a commit that is the source of one is found from then on as one of its origins.
        stated: Whose it is and which release, where a person says so.

    Raises:
        NoCommitError: It holds no commit.
        OthersCloneError: It is another user's.
        SourceDamagedError: It cannot be read.
    """
    with _server(path) as (url, folder):
        named = _named(url, path)
        heads = _heads(named, path)
        keeper = _Keeper(store=store, named=named, recipes=recipes or {}, stated=stated or Owner())
        kept: list[KeptSource] = []
        for commit in dict.fromkeys([*heads, *wanted]):
            try:
                kept += keeper.keep(url, folder, commit)
            except RefMissingError:
                if commit in heads:
                    raise
    lacking = dict.fromkeys(one for one in keeper.lacking if bundle_of(store, one.commit) is None)
    return VendoredSource(
        kept=tuple(dict.fromkeys(kept)), lacking=tuple(lacking), changed=tuple(_changed(path))
    )


def _changed(clone: Path) -> list[str]:
    """Return what of a clone differs from its commit; of one that is packed or bare, nothing is said.

    An archive's own settings can name programs that git would run for this.
    """
    if not (clone / ".git").exists():
        return []
    quiet = ("--no-optional-locks", "-c", "core.fsmonitor=false", "-c", "core.fileMode=false")
    try:
        rows = git(*quiet, "status", "--porcelain", "-z", "-uno", "--no-renames", at=clone, server=True)
    except GitFailedError:
        return []
    return [row[3:] for row in rows.split("\0") if row]


@contextmanager
def _server(path: Path) -> Iterator[tuple[str, Path | None]]:
    """Give a URL that git fetches from, and the folder in which submodules lie, if there is one."""
    with scratch() as work:
        if path.is_dir():
            yield f"file://{path.resolve()}", path.resolve()
        elif path.suffix == ".bundle":
            place = work / "bundle.git"
            _readable(path, "clone", "--quiet", "--mirror", str(path.resolve()), str(place))
            yield f"file://{place}", None
        else:
            folder = _unpacked(path, work / "archive")
            yield f"file://{folder}", folder


def _unpacked(path: Path, work: Path) -> Path:
    work.mkdir()
    try:
        with tarfile.open(path) as archive:
            extract(archive, work, packed=path.stat().st_size)
    except (OSError, EOFError, tarfile.TarError) as error:
        raise SourceDamagedError(
            f"{path.name} cannot be unpacked: {error}.", next_step="copy it again, and compare its sha256"
        ) from error
    clones = [one.parent for one in (*work.glob(".git"), *work.glob("*/.git"))]
    return clones[0]


def _readable(path: Path, *words: str) -> str:
    try:
        return git(*words, server=True)
    except GitFailedError as error:
        if "dubious ownership" in error.what:
            copy = shlex.quote(f"{path.resolve().name}-copy")
            raise OthersCloneError(
                f"git does not read {path}: it belongs to another user.",
                why="Settings in a repository can name programs, so git wants it to be yours, or named as safe.",
                next_step=f"cp -r {shlex.quote(str(path))} {copy}, then `invoke vendor {copy}`",
            ) from error
        raise SourceDamagedError(
            f"git cannot read {path.name}: {error.what}",
            why="The file was cut short, or needs commits that it does not hold.",
            next_step="make it again where the repository is: git bundle create SOURCE.bundle HEAD",
        ) from error


def _named(url: str, path: Path) -> dict[str, str]:
    """Return the commit of each ref; an annotated tag's is the one that it stands for."""
    rows = [line.partition("\t") for line in _readable(path, "ls-remote", url).splitlines()]
    named = {name: commit for commit, _, name in rows}
    return {name: named.get(f"{name}^{{}}", commit) for name, commit in named.items() if name[-3:] != "^{}"}


def _heads(named: Mapping[str, str], path: Path) -> list[str]:
    """Return the commit that is checked out, else the tips of all branches and tags."""
    tips = named.values()
    heads = [named["HEAD"]] if "HEAD" in named else list(dict.fromkeys(tips))
    if not heads:
        raise NoCommitError(
            f"{path} holds no commit.",
            why="A build starts from a commit, and the lock names which.",
            next_step="give a clone, or what this writes beside it: git bundle create SOURCE.bundle HEAD",
        )
    return heads


@dataclass(frozen=True, kw_only=True)
class _Keeper:
    """Keeps commits; what has no repository beside it is put into `lacking`."""

    store: Store
    named: Mapping[str, str]
    recipes: Recipes
    stated: Owner
    lacking: list[KeptSource] = field(default_factory=list)

    def keep(self, url: str, folder: Path | None, commit: str, path: str = ".") -> Iterator[KeptSource]:
        """Keep a commit and those of its submodules."""
        with scratch() as work:
            place = new_repository(work / "repository")
            fetch_commit(url, commit, "", place)
            keep_bundle(self.store, place, commit)
            owner = self._owner(place, commit) if path == "." else Owner()
            _record(self.store, commit, path.removeprefix("."), owner)
            yield KeptSource(path=path, commit=commit, owner=owner)
            children = submodules_of(place, commit)
        for child, pinned in children:
            yield from self._below(folder, child, pinned, child if path == "." else f"{path}/{child}")

    def _owner(self, place: Path, commit: str) -> Owner:
        refs = [name for name, at in self.named.items() if at == commit]
        return owner_of(place, commit, refs, self.recipes, self.stated)

    def _below(self, folder: Path | None, child: str, commit: str, path: str) -> Iterator[KeptSource]:
        inside = folder / child if folder else None
        if inside is None or not (inside / ".git").exists():
            self.lacking.append(KeptSource(path=path, commit=commit))
            return
        try:
            yield from self.keep(f"file://{inside}", inside, commit, path)
        except RefMissingError:
            self.lacking.append(KeptSource(path=path, commit=commit))


def _record(store: Store, commit: str, path: str, owner: Owner) -> None:
    """Note the bundle among the imported files, so that it is listed, found, and dropped by no pruning.

    It is found as the source of a release where its release is known; a later import for that takes its place there.
    """
    bundle = bundle_of(store, commit)
    if bundle is None:  # cannot be: it was kept just now
        return
    artifact = Artifact(filename=f"{commit}.bundle", size=bundle.stat().st_size, sha256=bundle.name)
    origin = f"git commit {commit[:12]}" + (f" of {path}" if path else "")
    record = VendoredRecord(component="", artifact=artifact, kind="source", facts=NameFacts(), origin=origin)
    put_record(store, record)
    if owner.component and owner.version:
        put_record(store, replace(record, component=owner.component, facts=NameFacts(version=owner.version)))
