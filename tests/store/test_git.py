from __future__ import annotations

import os
import shutil
import socket
from dataclasses import dataclass
from pathlib import Path

import pytest
from upstreams import add_submodule, commit, forge_submodule, git

from ascend_wheelhouse.base.process import run
from ascend_wheelhouse.handover.vendor_source import vendor_source
from ascend_wheelhouse.origins.git import (
    ObjectFormatError,
    RefMissingError,
    RefMovedError,
    newest_branch,
    pin,
)
from ascend_wheelhouse.origins.mirrors import Mirrors
from ascend_wheelhouse.store.git_source import (
    GitBundleMissingError,
    GitFailedError,
    GitSource,
    TreeChangedError,
    UnsafePathError,
    bundle_of,
    lay_out,
)
from ascend_wheelhouse.store.git_source import git as asked
from ascend_wheelhouse.store.store import Store
from ascend_wheelhouse.store.store_faults import DamagedBlobError

TOP = "https://github.test/Ascend/pytorch.git"
PLUGIN = "https://gitcode.test/Ascend/op-plugin.git"


@dataclass(frozen=True, kw_only=True)
class Upstream:
    """A repository with a submodule of its own host, which has one by a relative URL; and its mirrors."""

    top: Path
    plugin: Path
    inner: Path
    mirrors: Mirrors


@pytest.fixture
def upstream(tmp_path: Path) -> Upstream:
    servers = tmp_path / "servers"
    inner, plugin, top = (
        servers / "code/inner.git",
        servers / "code/op-plugin.git",
        servers / "hub/pytorch.git",
    )
    commit(inner, {"inner.txt": "inner\n"})
    commit(plugin, {"plugin.txt": "plugin\n"})
    add_submodule(plugin, "../inner.git", "deps/inner", inner)
    commit(plugin, {"more.txt": "more\n"})
    commit(top, {"version.txt": "2.8.0.post2\n", "ci/build.sh": "#!/bin/sh\n"})
    add_submodule(top, PLUGIN, "third_party/op-plugin", plugin)
    commit(top, {"README.md": "first\n"})
    git(top, "tag", "--annotate", "--message", "release", "v1.0")
    git(top, "branch", "v2.8.0-7.3.0")
    prefixes = {
        "https://github.test/Ascend/": f"file://{servers}/hub/",
        "https://gitcode.test/Ascend/": f"file://{servers}/code/",
    }
    return Upstream(top=top, plugin=plugin, inner=inner, mirrors=Mirrors(prefixes=prefixes))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def pinned(upstream: Upstream, store: Store, ref: str = "v1.0", **more: str) -> GitSource:
    return pin(TOP, ref, store=store, mirrors=upstream.mirrors, **more)  # type: ignore[arg-type]


def test_a_tag_becomes_the_commits_of_every_submodule_each_by_its_own_mirror(
    upstream: Upstream, store: Store
) -> None:
    source = pinned(upstream, store)
    assert [module.path for module in source.modules] == [
        ".",
        "third_party/op-plugin",
        "third_party/op-plugin/deps/inner",
    ]
    assert source.top.commit == git(upstream.top, "rev-parse", "HEAD")
    assert source.modules[2].url == "https://gitcode.test/Ascend/inner.git"
    assert (source.kind, source.epoch) == ("tag", 1767225600)


def test_a_builder_needs_no_server_once_the_bundles_are_there(
    upstream: Upstream, store: Store, tmp_path: Path
) -> None:
    source = pinned(upstream, store)
    shutil.rmtree(tmp_path / "servers")
    lay_out(source, store, tmp_path / "out")
    top, deep = tmp_path / "out", tmp_path / "out/third_party/op-plugin/deps/inner"
    assert (deep / "inner.txt").read_text() == "inner\n"
    assert (deep / ".git").is_dir()
    assert git(top, "rev-parse", "HEAD") == source.top.commit
    assert not git(top, "status", "--porcelain")
    assert os.access(top / "ci/build.sh", os.X_OK)
    assert (top / "README.md").stat().st_mtime == source.epoch


def test_what_the_lock_keeps_reads_back_equal(upstream: Upstream, store: Store) -> None:
    source = pinned(upstream, store)
    assert GitSource.from_dict(source.as_dict()) == source


def test_only_the_commit_is_fetched_and_not_its_history(
    upstream: Upstream, store: Store, tmp_path: Path
) -> None:
    source = pinned(upstream, store)
    lay_out(source, store, tmp_path / "out")
    assert git(tmp_path / "out", "rev-list", "--count", "HEAD") == "1"
    assert git(upstream.top, "rev-list", "--count", "HEAD") == "2"


def test_a_moved_tag_is_refused(upstream: Upstream, store: Store) -> None:
    locked = pinned(upstream, store).top.commit
    commit(upstream.top, {"README.md": "second\n"})
    git(upstream.top, "tag", "--force", "--annotate", "--message", "again", "v1.0")
    with pytest.raises(RefMovedError, match=r"the tag was moved: v1\.0 is [0-9a-f]{12} now"):
        pinned(upstream, store, locked=locked)


def test_a_branch_that_went_on_keeps_the_locked_commit(upstream: Upstream, store: Store) -> None:
    locked = pinned(upstream, store, "main").top.commit
    commit(upstream.top, {"README.md": "second\n"})
    assert pinned(upstream, store, "main", locked=locked).top.commit == locked
    assert pinned(upstream, store, "main").top.commit != locked


def test_a_rewritten_branch_is_refused(upstream: Upstream, store: Store) -> None:
    locked = pinned(upstream, store, "main").top.commit
    git(upstream.top, "commit", "--quiet", "--amend", "--message", "Rewritten")
    with pytest.raises(RefMovedError, match="the branch was rewritten"):
        pinned(upstream, store, "main", locked=locked)


def test_a_submodule_whose_server_is_gone_is_served_from_its_bundle(
    upstream: Upstream, store: Store, tmp_path: Path
) -> None:
    first = pinned(upstream, store)
    shutil.rmtree(upstream.plugin)
    shutil.rmtree(upstream.inner)
    assert pinned(upstream, store) == first
    with pytest.raises(GitFailedError):
        pinned(upstream, Store(tmp_path / "empty"))


def test_a_commit_that_no_server_has_any_more_is_told(upstream: Upstream, store: Store) -> None:
    with pytest.raises(RefMissingError, match="no longer has commit"):
        pinned(upstream, store, "0" * 39 + "1")


def test_an_unknown_tag_is_told_with_how_to_see_the_others(upstream: Upstream, store: Store) -> None:
    with pytest.raises(RefMissingError, match=r"no tag or branch 'v9'") as caught:
        pinned(upstream, store, "v9")
    assert "git ls-remote" in caught.value.next_step


def test_for_a_torch_that_no_table_has_the_newest_branch_is_taken(upstream: Upstream) -> None:
    for release in ("7.2.0", "26.0.0", "26.1.0", "7.10.0", "dev-x"):
        git(upstream.top, "branch", f"v2.9.0-{release}")
    assert newest_branch(TOP, "2.9.0", upstream.mirrors) == "v2.9.0-26.1.0"
    with pytest.raises(RefMissingError, match=r"no branch v2\.99\.0-"):
        newest_branch(TOP, "2.99.0", upstream.mirrors)


def test_a_tree_whose_digest_differs_from_the_lock_is_not_laid_out(
    upstream: Upstream, store: Store, tmp_path: Path
) -> None:
    table = pinned(upstream, store).as_dict()
    table["modules"][1]["sha256"] = "0" * 64
    with pytest.raises(TreeChangedError, match="op-plugin"):
        lay_out(GitSource.from_dict(table), store, tmp_path / "out")


@pytest.mark.parametrize("folder", ["..", ".git", ".GIT"])
def test_a_submodule_outside_of_its_tree_is_refused(folder: str, upstream: Upstream, store: Store) -> None:
    """Git refuses to check it out, and lists it all the same."""
    evil = forge_submodule(upstream.top, folder, "hooks", PLUGIN, git(upstream.plugin, "rev-parse", "HEAD"))
    git(upstream.top, "branch", "evil", evil)
    with pytest.raises(UnsafePathError, match=rf"a submodule at '{folder}/hooks'"):
        pinned(upstream, store, "evil")


@pytest.mark.parametrize("path", ["../out", "/etc", "a/../../b", ".git/hooks", "a//b", ""])
def test_a_lock_that_names_a_place_outside_of_the_tree_is_refused(
    path: str, upstream: Upstream, store: Store
) -> None:
    table = pinned(upstream, store).as_dict()
    table["modules"][1]["path"] = path
    with pytest.raises(UnsafePathError, match="no place inside its folder"):
        GitSource.from_dict(table)


def test_no_submodule_is_laid_out_behind_a_link_of_the_tree(
    upstream: Upstream, store: Store, tmp_path: Path
) -> None:
    (tmp_path / "home").mkdir()
    (upstream.top / "link").symlink_to(tmp_path / "home")
    commit(upstream.top, {"README.md": "second\n"})
    git(upstream.top, "branch", "linked")
    table = pinned(upstream, store, "linked").as_dict()
    table["modules"][1]["path"] = "link/x"
    with pytest.raises(UnsafePathError, match="link/x"):
        lay_out(GitSource.from_dict(table), store, tmp_path / "out")
    assert list((tmp_path / "home").iterdir()) == []


def test_without_a_bundle_an_offline_builder_says_which_commit_it_lacks(
    upstream: Upstream, store: Store, tmp_path: Path
) -> None:
    source = pinned(upstream, store)
    with pytest.raises(GitBundleMissingError, match=source.top.commit):
        lay_out(source, Store(tmp_path / "other"), tmp_path / "out")


def test_a_server_that_takes_the_call_and_says_nothing_is_given_up() -> None:
    """And what git started for the call ends with it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/silent.git"
        with pytest.raises(GitFailedError, match=r"ls-remote failed: no answer within 0\.5 s"):
            asked("ls-remote", url, seconds=0.5, server=True)
        server.settimeout(5)
        call, _ = server.accept()
        with call:
            call.settimeout(5)
            while call.recv(4096):
                pass


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put an `ssh` before all others that writes down its words and ends; give the file."""
    script = tmp_path / "bin/ssh"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/told\nexit 255\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}:{os.environ['PATH']}")
    for name in ("GIT_SSH", "GIT_SSH_COMMAND"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "told"


def test_a_server_over_ssh_that_falls_silent_is_given_up_by_ssh_itself(told: Path) -> None:
    with pytest.raises(GitFailedError):
        asked("ls-remote", "git@host.test:Ascend/pytorch.git", server=True)
    words = told.read_text()
    assert "-o ConnectTimeout=60 -o ServerAliveInterval=15 -o ServerAliveCountMax=4" in words
    assert "git@host.test git-upload-pack" in words


def test_an_ssh_that_the_user_has_named_is_left_as_it_is(told: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_SSH_COMMAND", "ssh -p 2222")
    with pytest.raises(GitFailedError):
        asked("ls-remote", "git@host.test:Ascend/pytorch.git", server=True)
    assert "-p 2222" in told.read_text()
    assert "ConnectTimeout" not in told.read_text()


def test_a_repository_of_the_other_object_format_is_told_as_that(store: Store, tmp_path: Path) -> None:
    run(
        [
            "git",
            "init",
            "--quiet",
            "--object-format=sha256",
            "--initial-branch=main",
            str(tmp_path / "up.git"),
        ]
    )
    commit(tmp_path / "up.git", {"a.txt": "a\n"})
    with pytest.raises(ObjectFormatError, match=r"names its commits by SHA-256: [0-9a-f]{12} is one of 64"):
        pin((tmp_path / "up.git").as_uri(), "main", store=store, mirrors=Mirrors())
    with pytest.raises(ObjectFormatError):
        vendor_source(tmp_path / "up.git", store=store)


def test_a_damaged_bundle_is_told_as_that_and_fetched_anew(tmp_path: Path) -> None:
    """It was told as a server that does not answer, at every run: its record was still there."""
    top = tmp_path / "top"
    commit(top, {"a.txt": "a\n"})
    store = Store(tmp_path / "store")
    source = pin(f"file://{top}", "main", store=store, mirrors=Mirrors())
    bundle = bundle_of(store, source.top.commit)
    assert bundle is not None
    data = bundle.read_bytes()
    bundle.chmod(0o644)
    bundle.write_bytes(data[: len(data) // 2])
    with pytest.raises(DamagedBlobError, match="was damaged"):
        lay_out(source, store, tmp_path / "laid")
    assert pin(f"file://{top}", "main", store=store, mirrors=Mirrors()) == source
    lay_out(source, store, tmp_path / "again")
    assert (tmp_path / "again/a.txt").read_text() == "a\n"
