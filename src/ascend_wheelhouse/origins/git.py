"""Git as an origin: a tag or branch becomes exact commits, and those become bundles in the store.

Each repository, a submodule's included, is redirected on its own by the mirrors. Only what the commit needs
is fetched where the server allows it. A tag that moved, or a branch that was rewritten under a locked
commit, is refused: the lock names what was reviewed, and nothing else may take its place silently.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from packaging.version import Version

from ascend_wheelhouse.base.errors import IntegrityError, ResolveError
from ascend_wheelhouse.node.scratch import scratch
from ascend_wheelhouse.origins.faults import redacted
from ascend_wheelhouse.origins.mirrors import Mirrors
from ascend_wheelhouse.store.git_source import (
    ASK_SECONDS,
    GitFailedError,
    GitModule,
    GitSource,
    bundle_of,
    check_path,
    git,
    keep_bundle,
    new_repository,
    tree_digest,
    unbundle,
)
from ascend_wheelhouse.store.store import Store

_COMMIT = re.compile(r"[0-9a-f]{40}")
_NOT_TEXT = "\N{REPLACEMENT CHARACTER}"
_OF_A_SERVER = re.compile(r"(https?|ssh|git|git\+ssh)://|(?!-)[^/:]+:(?!:|//)")

_HOST = re.compile(r"(?!-)[^/:]+:(?!:|//)/?")


class RefMissingError(ResolveError):
    """A repository has no such tag, branch or commit."""


class PathNotTextError(ResolveError):
    """A repository has a submodule at a path that is not UTF-8, which no lock can hold."""


class ObjectFormatError(ResolveError):
    """A repository names its commits by SHA-256, in git's other object format."""


class RefMovedError(IntegrityError):
    """A tag, or a branch's history, is no longer what was locked."""


class UnsafeUrlError(IntegrityError):
    """A submodule of a server's repository would come from this host, or from a program that its address names."""


@dataclass(frozen=True, kw_only=True)
class Ref:
    """What a name stands for in a repository now; `kind` is `tag`, `branch` or `commit`."""

    name: str
    kind: str
    commit: str


def find_ref(url: str, name: str, mirrors: Mirrors) -> Ref:
    """Ask the server what a tag, branch or full commit id stands for.

    Raises:
        RefMissingError: It has none of that name.
        GitFailedError: It does not answer.
    """
    if _COMMIT.fullmatch(name):
        return Ref(name=name, kind="commit", commit=name)
    tag, branch = f"refs/tags/{name}", f"refs/heads/{name}"
    found = _remote_refs(url, mirrors, tag, f"{tag}^{{}}", branch)
    for kind, key in (("tag", f"{tag}^{{}}"), ("tag", tag), ("branch", branch)):
        if key in found:
            return Ref(name=name, kind=kind, commit=found[key])
    raise RefMissingError(
        f"{url} has no tag or branch {name!r}.",
        next_step=f"git ls-remote {_shown(mirrors.redirect(url))} shows those that it has",
    )


def _shown(url: str) -> str:
    """Return the URL for a text: without the login that a mirror over HTTP may have; over SSH the user is no secret."""
    return redacted(url) if url.startswith("http") else url


def _remote_refs(url: str, mirrors: Mirrors, *patterns: str) -> dict[str, str]:
    lines = git("ls-remote", mirrors.redirect(url), *patterns, seconds=ASK_SECONDS, server=True).splitlines()
    return {name: commit for commit, _, name in (line.partition("\t") for line in lines)}


def tags_of(url: str, mirrors: Mirrors) -> dict[str, str]:
    """Return the commit of every tag of a repository, by the tag's name.

    Raises:
        GitFailedError: It does not answer.
    """
    start, peeled = "refs/tags/", "^{}"
    refs = _remote_refs(url, mirrors, f"{start}*")
    names = [name for name in refs if not name.endswith(peeled)]
    return {name.removeprefix(start): refs.get(f"{name}{peeled}", refs[name]) for name in names}


def newest_branch(url: str, torch: str, mirrors: Mirrors) -> str:
    """Return the newest branch `v<torch>-<release>` of a repository, by the release's version.

    Raises:
        RefMissingError: There is none for that torch.
    """
    prefix = f"refs/heads/v{torch}-"
    names = [name.removeprefix(prefix) for name in _remote_refs(url, mirrors, f"{prefix}*")]
    releases = sorted((release for name in names if (release := _version(name))), key=lambda pair: pair[0])
    if not releases:
        raise RefMissingError(
            f"{url} has no branch v{torch}-*.",
            why=f"Upstream has no release line for torch {torch}, or names it differently.",
            next_step="choose another --torch, or name the branch in recipes/compatibility.toml",
        )
    return f"v{torch}-{releases[-1][1]}"


def _version(text: str) -> tuple[Version, str] | None:
    try:
        return Version(text), text
    except ValueError:
        return None


def pin(
    url: str, ref: str, *, store: Store, mirrors: Mirrors, submodules: bool = True, locked: str = ""
) -> GitSource:
    """Resolve a ref, fetch its commit and all submodules into the store, and return the pinned source.

    Args:
        url: The repository, before redirection.
        ref: A tag, a branch or a full commit id.
        store: Where the bundles go.
        mirrors: Redirections, for each repository on its own.
        submodules: Follow them, however deep.
        locked: The commit of an earlier lock, which then stays.

    Raises:
        RefMissingError, RefMovedError, GitFailedError: See each class.
    """
    found = find_ref(url, ref, mirrors)
    commit = locked or found.commit
    if locked and locked != found.commit:
        _refuse_rewritten(url, found, locked, mirrors)
    modules = list(_modules(url, commit, ref, store=store, mirrors=mirrors, submodules=submodules))
    with scratch() as folder:
        place = unbundle(store, commit, folder / "top")
        epoch = int(git("show", "--no-patch", "--format=%ct", commit, at=place))
    return GitSource(ref=ref, kind=found.kind, epoch=epoch, modules=tuple(modules))


def _refuse_rewritten(url: str, found: Ref, locked: str, mirrors: Mirrors) -> None:
    if found.kind == "branch" and _is_ancestor(url, found, locked, mirrors):
        return
    what = "tag was moved" if found.kind == "tag" else "branch was rewritten"
    raise RefMovedError(
        f"{url}: the {what}: {found.name} is {found.commit[:12]} now, the lock says {locked[:12]}.",
        why="Upstream replaced what was reviewed, or someone replaced upstream.",
        next_step="look at the difference; `invoke lock --upgrade {cell}` takes the new commit",
    )


def _is_ancestor(url: str, found: Ref, locked: str, mirrors: Mirrors) -> bool:
    with scratch() as folder:
        place = new_repository(folder / "history")
        words = ("fetch", "--quiet", "--no-tags")
        branch = f"refs/heads/{found.name}"
        try:
            git(*words, "--filter=tree:0", mirrors.redirect(url), branch, at=place, server=True)
        except GitFailedError:
            git(*words, mirrors.redirect(url), branch, at=place, server=True)
        try:
            git("merge-base", "--is-ancestor", locked, "FETCH_HEAD", at=place)
        except GitFailedError:
            return False
    return True


def _modules(
    url: str, commit: str, ref: str, *, store: Store, mirrors: Mirrors, submodules: bool, path: str = "."
) -> Iterator[GitModule]:
    with scratch() as folder:
        place = _repository(folder / "repository", url, commit, ref, store=store, mirrors=mirrors)
        yield GitModule(path=path, url=url, commit=commit, digest=tree_digest(place, commit))
        children = list(_children(place, commit, url)) if submodules else []
    for child_path, child_url, child_commit in children:
        below = child_path if path == "." else f"{path}/{child_path}"
        yield from _modules(
            child_url, child_commit, "", store=store, mirrors=mirrors, submodules=True, path=below
        )


def _repository(place: Path, url: str, commit: str, ref: str, *, store: Store, mirrors: Mirrors) -> Path:
    if bundle_of(store, commit) is not None:
        return unbundle(store, commit, place)
    new_repository(place)
    fetch_commit(mirrors.redirect(url), commit, ref, place)
    keep_bundle(store, place, commit)
    return place


def fetch_commit(url: str, commit: str, ref: str, place: Path) -> None:
    """Fetch one commit into a repository: by id alone, else as the tip of its ref, else with all history.

    Raises:
        GitFailedError: The server does not answer.
        RefMissingError: It no longer has the commit.
        ObjectFormatError: It is of the object format that locks and bundles do not have.
    """
    if not _COMMIT.fullmatch(commit):
        raise _other_format(url, commit)
    tip = ref or "HEAD"
    for words in (("--depth=1", url, commit), ("--depth=1", url, tip), (url, "+refs/*:refs/fetched/*")):
        try:
            git("fetch", "--quiet", "--no-tags", *words, at=place, server=True)
            git("cat-file", "-e", f"{commit}^{{commit}}", at=place)
        except GitFailedError as error:
            reason = error
        else:
            return
    if "unable to access" in str(reason) or "does not appear to be" in str(reason):
        raise reason
    raise RefMissingError(
        f"{_shown(url)} no longer has commit {commit}.",
        why="The branch that held it was rewritten or removed.",
        next_step="redirect the URL to a mirror that has it, or run `invoke lock --upgrade {cell}`",
    ) from reason


def _other_format(url: str, commit: str) -> ObjectFormatError:
    return ObjectFormatError(
        f"{_shown(url)} names its commits by SHA-256: {commit[:12]} is one of {len(commit)} digits.",
        why="Locks and the store hold commits of git's usual object format (SHA-1) alone.",
        next_step="name a mirror of the usual format in mirrors.toml, or an origin of kind sdist in the recipe",
    )


def submodules_of(place: Path, commit: str) -> list[tuple[str, str]]:
    """Return path and commit of each direct submodule of a commit."""
    return [(path, pinned) for path, _, pinned in _children(place, commit, "")]


def _children(place: Path, commit: str, url: str) -> Iterator[tuple[str, str, str]]:
    """Yield path, URL and commit of each direct submodule.

    Raises:
        UnsafePathError: One would lie outside of the tree.
        PathNotTextError: No lock can hold the path of one.
    """
    gitlinks = dict(_gitlinks(place, commit))
    if not gitlinks:
        return
    settings = git("config", f"--blob={commit}:.gitmodules", "--list", "-z", at=place).split("\0")
    table = dict(line.split("\n", 1) for line in settings if "\n" in line)  # a name may hold a "="
    for key, path in sorted(table.items()):
        if key.startswith("submodule.") and key.endswith(".path") and path in gitlinks:
            check_path(path)
            if _NOT_TEXT in path:
                raise _no_text(path, commit)
            target = table.get(key.removesuffix("path") + "url")
            if target is None:
                raise _no_url(path, commit)
            yield path, _safe(_absolute(url, target), url, path), gitlinks[path]


def _safe(url: str, parent: str, path: str) -> str:
    """Hold a submodule of a server's repository to a server, as `git submodule` does.

    Raises:
        UnsafeUrlError: It names a place of this host, a program, or an option of git.
    """
    if _OF_A_SERVER.match(parent) and not _OF_A_SERVER.match(url):
        raise UnsafeUrlError(
            f"The submodule {path} of {_shown(parent)} is said to come from {url!r}, which is no server.",
            why="git fetches no such submodule either. What lies on this host, or a program here, would be taken.",
            next_step="set `submodules = false` at the git origin of the recipe, or name another ref",
        )
    return url


def _no_text(path: str, commit: str) -> PathNotTextError:
    return PathNotTextError(
        f"Commit {commit[:12]} has a submodule at a path that is not UTF-8: {path}.",
        why=f"A lock holds text alone. What stands as {_NOT_TEXT} in the path is a byte of another encoding.",
        next_step="set `submodules = false` at the git origin of the recipe, or name another ref",
    )


def _no_url(path: str, commit: str) -> RefMissingError:
    return RefMissingError(
        f"The .gitmodules of commit {commit[:12]} names no URL for the submodule {path}.",
        why="Its upstream left the line out; git cannot clone that submodule either.",
        next_step="set `submodules = false` at the git origin of the recipe, or name another ref",
    )


def _gitlinks(place: Path, commit: str) -> Iterator[tuple[str, str]]:
    for row in git("ls-tree", "-r", "-z", commit, at=place).split("\0"):
        meta, _, path = row.partition("\t")
        if meta.startswith("160000 "):
            yield path, meta.split()[2]


def _absolute(parent: str, url: str) -> str:
    """Return the URL of a submodule; one that begins with `./` or `../` counts from its parent's."""
    if not url.startswith(("./", "../")):
        return url
    parts = urlsplit(parent)
    if not parts.netloc and (host := _HOST.match(parent)):  # `git@host:group/name.git`, as ssh has it
        return host[0] + urljoin(f"/{parent[host.end() :].strip('/')}/", url).lstrip("/")
    if not parts.netloc:
        return urljoin(f"{parent.rstrip('/')}/", url)
    # The path alone: of ssh: and git:, urljoin knows no relative URL.
    place = urljoin(f"{parts.path.rstrip('/')}/", url)
    return f"{parts.scheme}://{parts.netloc}/{place.lstrip('/')}"
