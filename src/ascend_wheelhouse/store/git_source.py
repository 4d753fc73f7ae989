"""A source tree in git, pinned: commits of the tree and of every submodule, and a digest of all their files.

Git's own ids are SHA-1; the digest beside them is SHA-256 over paths, modes and contents, so that it holds
against a forged object as well. Objects live in the store as one bundle a commit, which any git reads
without a server.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from ascend_wheelhouse.base.errors import IntegrityError, SourceUnreachableError
from ascend_wheelhouse.base.process import CommandFailedError, piped, run
from ascend_wheelhouse.node import documents
from ascend_wheelhouse.store.dated import date_files
from ascend_wheelhouse.store.git_login import apart, leads_to_plain, straight
from ascend_wheelhouse.store.store import Store

BUNDLE_REF = "refs/wheelhouse/source"
ASK_SECONDS = 60.0
"""How long a server may take to name its tags and branches."""
_AT_ONCE = 4
_UNTIDIED = ("maintenance.auto=false", "gc.auto=0")  # ours are gone at once: nothing in them is worth tidying
_HOOKLESS = f"core.hooksPath={os.devnull}"
_OPTIONS = ("protocol.version=2", "http.lowSpeedLimit=1", "http.lowSpeedTime=60", _HOOKLESS, *_UNTIDIED)
_ALONE = ("safe.directory=*", f"core.attributesFile={os.devnull}")  # made here: nobody else's
_OF_ANOTHER = re.compile(
    "GIT_(?:DIR|WORK_TREE|IMPLICIT_WORK_TREE|INDEX_FILE|OBJECT_DIRECTORY|ALTERNATE_OBJECT_DIRECTORIES|COMMON_DIR|PREFIX|"
    "NAMESPACE|SHALLOW_FILE|GRAFT_FILE|REPLACE_REF_BASE|NO_REPLACE_OBJECTS|QUARANTINE_PATH|INTERNAL_SUPER_PREFIX)"
)
"""Variables that name a repository, as a hook of git's has them: they would stand above the one that is meant."""
_OF_A_PERSON = re.compile(r"GIT_(?:CONFIG\w*|ATTR_SOURCE|TEMPLATE_DIR|DEFAULT_HASH|DEFAULT_REF_FORMAT)")
_SSH = "ssh -o ConnectTimeout=60 -o ServerAliveInterval=15 -o ServerAliveCountMax=4"


class GitFailedError(SourceUnreachableError):
    """git could not do what was asked of it; its own words are in the text."""


class TreeChangedError(IntegrityError):
    """A tree's files do not have the digest of the lock."""


class UnsafePathError(IntegrityError):
    """A repository puts a submodule where git itself would not check one out: outside of its own folder."""


class GitBundleMissingError(SourceUnreachableError):
    """A commit's bundle is not in the store, and nothing may be fetched now."""


@dataclass(frozen=True, kw_only=True)
class GitModule:
    """One repository of a source: the top (`path` is `.`) or a submodule, however deep.

    Args:
        path: Where it lies, relative to the top.
        url: Where it came from, before any redirection.
        commit: Its commit, in full.
        digest: SHA-256 over its files, submodules excluded.
    """

    path: str
    url: str
    commit: str
    digest: str

    def __post_init__(self) -> None:
        """Hold the path to lie below the top."""
        check_path(self.path)


def check_path(path: str) -> None:
    """Hold a submodule's path to be one that git checks out; `git ls-tree` lists what a hand-made tree says.

    Raises:
        UnsafePathError: It leads out of the tree, or into a `.git`.
    """
    if path != "." and any(part.lower() in {"", ".", "..", ".git"} for part in path.split("/")):
        raise _unsafe(path)


def _unsafe(path: str) -> UnsafePathError:
    return UnsafePathError(
        f"The source has a submodule at {path!r}, which is no place inside its folder.",
        why="git refuses such a path. Somebody made the tree by hand, to have files written elsewhere on this host.",
        next_step="do not build from it: take the source from its upstream, and compare the commit",
    )


@dataclass(frozen=True, kw_only=True)
class GitSource:
    """A pinned tree.

    Args:
        ref: The tag or branch that was asked for.
        kind: `tag`, `branch` or `commit`.
        epoch: The commit's time, seconds since 1970.
        modules: The top first, then submodules by path.
    """

    ref: str
    kind: str
    epoch: int
    modules: tuple[GitModule, ...] = field(default_factory=tuple)

    @property
    def top(self) -> GitModule:
        """The repository itself."""
        return self.modules[0]

    @property
    def digest(self) -> str:
        """SHA-256 over every module's place, commit and files."""
        rows = "".join(f"{module.path} {module.commit} {module.digest}\n" for module in self.modules)
        return hashlib.sha256(rows.encode()).hexdigest()

    def as_dict(self) -> dict[str, Any]:
        """Return what `sources.<platform>.toml` keeps of it."""
        rows = [
            {"path": item.path, "url": item.url, "commit": item.commit, "sha256": item.digest}
            for item in self.modules
        ]
        return {"ref": self.ref, "kind": self.kind, "epoch": self.epoch, "tree": self.digest, "modules": rows}

    @classmethod
    def from_dict(cls, table: Mapping[str, Any]) -> GitSource:
        """Read back what `as_dict` wrote."""
        rows = table["modules"]
        modules = (
            GitModule(path=row["path"], url=row["url"], commit=row["commit"], digest=row["sha256"])
            for row in rows
        )
        return cls(ref=table["ref"], kind=table["kind"], epoch=int(table["epoch"]), modules=tuple(modules))


def settings(*, server: bool = False) -> dict[str, str]:
    """Return the variables that git is started with.

    Args:
        server: Whether a server may be asked: the user's own configuration then says how. Else it is not read, since it
            can change what a commit's files hold (`core.autocrlf`, filters), and run hooks.
    """
    kept = {name: value for name, value in os.environ.items() if not _OF_ANOTHER.fullmatch(name)}
    kept |= {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C.UTF-8", "GIT_ADVICE": "0"}
    if server:
        return kept
    nowhere = {"HOME": "/nonexistent", "XDG_CONFIG_HOME": "/nonexistent"}
    own = {name: value for name, value in kept.items() if not _OF_A_PERSON.fullmatch(name)}
    return own | nowhere | {"GIT_CONFIG_NOSYSTEM": "1", "GIT_ATTR_NOSYSTEM": "1"}


def git(
    *words: str | Path,
    at: Path | None = None,
    stdin: str | None = None,
    seconds: float | None = None,
    server: bool = False,
) -> str:
    """Run git, with no prompt and no advice, and return what it prints.

    A server over HTTP that sends less than 1 byte a second for a minute is given up, as git has it, and one over SSH
    that does not answer for a minute, as OpenSSH has it (ssh_config(5)), unless the user has named another ssh.

    Args:
        words: The command and its arguments.
        at: The repository.
        stdin: What it reads.
        seconds: How long it may take; for questions that a server answers at once.
        server: Whether it asks a server, or a repository of somebody's: by the user's configuration (see `settings`).

    Raises:
        GitFailedError: It ended with a status other than 0, or not in time.
    """
    given, asking, login = apart(words)
    env = settings(server=server) | login
    if server and not env.keys() & {"GIT_SSH", "GIT_SSH_COMMAND"} and not _named_ssh():
        env["GIT_SSH_COMMAND"] = _SSH
    place = ("-C", str(at)) if at else ()
    told = (*_OPTIONS, *asking, *straight(given), *(() if server else _ALONE))
    options = [part for option in told for part in ("-c", option)]
    command = ["git", *place, *options, *given]
    try:
        return run(command, env=env, stdin=stdin, timeout=seconds, own_group=seconds is not None).stdout
    except subprocess.TimeoutExpired as error:
        raise GitFailedError(
            f"git {words[0]} failed: no answer within {seconds:g} s",
            next_step="check the URL, or redirect it in mirrors.toml",
        ) from error
    except CommandFailedError as error:
        said = _last_line(error)
        raise GitFailedError(
            f"git {words[0]} failed: {said}",
            why="The server leads to plain HTTP: anybody on the way could change it." * leads_to_plain(said),
            next_step="check the URL, or redirect it in mirrors.toml",
        ) from error


@cache
def _named_ssh() -> str:
    """Return the ssh that the user has told git to use, in git's own configuration."""
    asked = run(["git", "config", "--get", "core.sshCommand"], env=settings(server=True), check=False)
    return asked.stdout.strip()


def _last_line(error: CommandFailedError) -> str:
    lines = [line for line in error.tail().splitlines() if line.strip()]
    telling = [line for line in lines if line.startswith(("fatal:", "error:"))]
    return (telling or lines or ["no reason given"])[0]


def new_repository(path: Path) -> Path:
    """Make an empty repository that takes a shallow commit without asking for its parents."""
    git("init", "--quiet", "--template=", "--initial-branch=wheelhouse", str(path))
    return path


def tree_digest(repository: Path, commit: str) -> str:
    """Return SHA-256 over path, mode and content of every file of a commit, submodules excluded."""
    rows = [row for row in git("ls-tree", "-r", "-z", commit, at=repository).split("\0") if row]
    files = sorted((path, meta.split()) for meta, _, path in (row.partition("\t") for row in rows))
    digest = hashlib.sha256()
    blobs = [(path, meta[0], meta[2]) for path, meta in files if meta[1] == "blob"]
    contents = _contents(repository, [blob for _, _, blob in blobs])
    for (path, mode, _), content in zip(blobs, contents, strict=True):
        digest.update(f"{mode} {hashlib.sha256(content).hexdigest()} {path}\n".encode())
    return digest.hexdigest()


def _contents(repository: Path, blobs: list[str]) -> Iterator[bytes]:
    words = ["git", "-C", str(repository), "-c", "safe.directory=*", "cat-file", "--batch"]
    with piped(words, env=settings()) as (ask, answer):
        for blob in blobs:
            ask.write(f"{blob}\n".encode())
            ask.flush()
            size = int(answer.readline().split()[2])
            yield answer.read(size + 1)[:-1]


def bundle_of(store: Store, commit: str) -> Path | None:
    """Return the bundle that holds a commit, or None; what is behind the store is asked, too."""
    held = _held_bundle(store, commit)
    if store.behind is None:
        return held
    if held is None:
        return _held_bundle(store, commit) if store.behind.bring_result(f"git-{commit}") else None
    _offer(store, commit, held.name)
    return held


def _offer(store: Store, commit: str, sha256: str) -> None:
    if store.behind:
        store.behind.offer_result(f"git-{commit}", [store.artifact(f"{commit}.bundle", sha256)])


def _held_bundle(store: Store, commit: str) -> Path | None:
    record = store.result(f"git-{commit}", {"bundle": documents.sha256})
    if record is None or not store.has(record["bundle"]):
        return None
    return store.path(record["bundle"])


def keep_bundle(store: Store, repository: Path, commit: str) -> None:
    """Put a commit of a repository into the store as a bundle."""
    git("update-ref", BUNDLE_REF, commit, at=repository)
    with store.incoming() as path:
        git("-c", "pack.threads=1", "bundle", "create", "--quiet", str(path), BUNDLE_REF, at=repository)
        sha256 = store.adopt(path)
    store.put_result(f"git-{commit}", {"bundle": sha256})
    _offer(store, commit, sha256)


def keep_carried(store: Store, sha256: str) -> str:
    """Take a bundle that is in the store by its digest for the commit that it holds, and return that.

    Raises:
        GitFailedError: It is no bundle of one commit as `keep_bundle` writes them.
    """
    heads = git("bundle", "list-heads", str(store.path(sha256))).split()
    if len(heads) != 2 or heads[1] != BUNDLE_REF:  # noqa: PLR2004 - one commit and its name
        raise GitFailedError(
            f"The bundle with sha256 {sha256} holds {len(heads) // 2} heads, and one {BUNDLE_REF} was expected.",
            next_step="take the wheelhouse as `invoke wheelhouse {cell}` makes it",
        )
    store.put_result(f"git-{heads[0]}", {"bundle": sha256})
    return heads[0]


def unbundle(store: Store, commit: str, place: Path) -> Path:
    """Make a repository at `place` that holds the commit, from its bundle alone.

    Raises:
        GitBundleMissingError: The store has no bundle of the commit.
        DamagedBlobError: It has other bytes; it is removed, so that the commit is fetched again.
    """
    bundle = bundle_of(store, commit)
    if bundle is None:
        raise GitBundleMissingError(
            f"The store has no bundle of commit {commit}.",
            next_step="run `invoke fetch {cell}` on a connected host, or copy its store",
        )
    new_repository(place)
    (place / ".git" / "shallow").write_text(f"{commit}\n", encoding="utf-8")
    try:
        git("fetch", "--quiet", "--no-tags", str(bundle), f"{BUNDLE_REF}:{BUNDLE_REF}", at=place)
    except GitFailedError:
        store.check(bundle.name)
        raise
    return place


def _checked(module: GitModule, store: Store, place: Path) -> None:
    """Make a repository that holds a module's commit, with the files of the lock."""
    unbundle(store, module.commit, place)
    if (found := tree_digest(place, module.commit)) != module.digest:
        raise TreeChangedError(
            f"{module.url} at {module.commit[:12]}: the digest of its files is {found[:12]}, "
            f"the lock says {module.digest[:12]}.",
            why="The lock or the bundle was altered, or the commit's id was forged.",
            next_step="run `invoke lock --upgrade {cell}` and review what changed",
        )


def lay_out(source: GitSource, store: Store, destination: Path) -> None:
    """Check a source out, submodules and their `.git` included, every file dated to the commit.

    Raises:
        GitBundleMissingError: A bundle is missing.
        TreeChangedError: A module's files are not those of the lock.
        UnsafePathError: A module lies behind a link that leads out of the tree.
    """
    beside = destination.with_name(f"{destination.name}.repositories")
    places = [beside / str(number) for number in range(len(source.modules))]
    try:
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="git") as pool:
            list(pool.map(lambda module, place: _checked(module, store, place), source.modules, places))
        for module, repository in zip(source.modules, places, strict=True):
            place = destination / module.path
            if not place.resolve().is_relative_to(destination.resolve()):
                raise _unsafe(module.path)
            place.mkdir(parents=True, exist_ok=True)
            (repository / ".git").rename(place / ".git")
            git("checkout", "--quiet", "--detach", module.commit, at=place)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    date_files(destination, source.epoch)
