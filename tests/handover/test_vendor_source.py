from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest
import tomli_w
from upstreams import add_submodule, commit, forge_submodule, git

from ascend_wheelhouse.commands.vendor import named_commits
from ascend_wheelhouse.handover.vendor_source import (
    NoCommitError,
    OthersCloneError,
    SourceDamagedError,
    is_source,
    vendor_source,
)
from ascend_wheelhouse.origins.git import pin
from ascend_wheelhouse.origins.mirrors import Mirrors
from ascend_wheelhouse.store.git_source import UnsafePathError, bundle_of
from ascend_wheelhouse.store.store import Store
from ascend_wheelhouse.store.vendored import list_vendored

URL = "https://nowhere.invalid/pytorch.git"
NOBODY = Mirrors(prefixes={"https://nowhere.invalid/": "file:///nonexistent/"})


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone with a submodule in a submodule, as Ascend/pytorch has them."""
    deep, plugin = tmp_path / "deep.git", tmp_path / "op-plugin.git"
    commit(deep, {"deep.txt": "deep"})
    commit(plugin, {"plugin.txt": "plugin"})
    add_submodule(plugin, "https://nowhere.invalid/deep.git", "third_party/deep", deep)
    commit(plugin, {"plugin.txt": "plugin with deep"})
    top = tmp_path / "top"
    commit(top, {"version.txt": "2.8.0"})
    add_submodule(top, "https://nowhere.invalid/op-plugin.git", "third_party/op-plugin", plugin)
    commit(top, {"version.txt": "2.8.0.post2"})
    made = tmp_path / "pytorch"
    here = f"url.file://{tmp_path}/.insteadOf=https://nowhere.invalid/"
    git(tmp_path, "-c", here, "clone", "--quiet", "--recurse-submodules", str(top), str(made))
    return made


def head(place: Path) -> str:
    return git(place, "rev-parse", "HEAD")


def test_a_clone_with_its_submodules_is_locked_without_any_server(clone: Path, store: Store) -> None:
    taken = vendor_source(clone, store=store)
    assert [one.path for one in taken.kept] == [
        ".",
        "third_party/op-plugin",
        "third_party/op-plugin/third_party/deep",
    ]
    assert taken.lacking == ()
    source = pin(URL, head(clone), store=store, mirrors=NOBODY)
    assert [module.path for module in source.modules] == [one.path for one in taken.kept]


def test_a_packed_clone_gives_the_same(clone: Path, store: Store, tmp_path: Path) -> None:
    packed = tmp_path / "pytorch.tar.gz"
    with tarfile.open(packed, "w:gz") as archive:
        archive.add(clone, "pytorch")
    assert is_source(packed)
    assert (
        vendor_source(packed, store=store).kept == vendor_source(clone, store=Store(tmp_path / "other")).kept
    )


def test_a_bundle_gives_its_commit_and_names_the_submodules_that_are_not_in_it(
    clone: Path, store: Store, tmp_path: Path
) -> None:
    bundle = tmp_path / "pytorch.bundle"
    git(clone, "bundle", "create", "--quiet", str(bundle), "HEAD")
    taken = vendor_source(bundle, store=store)
    assert [one.commit for one in taken.kept] == [head(clone)]
    assert [one.path for one in taken.lacking] == ["third_party/op-plugin"]

    vendor_source(clone / "third_party/op-plugin", store=store)

    assert vendor_source(bundle, store=store).lacking == ()


def test_a_commit_that_a_recipe_names_is_kept_beside_the_one_that_is_checked_out(
    clone: Path, store: Store
) -> None:
    older = git(clone, "rev-parse", "HEAD~1")
    taken = vendor_source(clone, store=store, wanted=[older, "f" * 40])
    assert {one.commit for one in taken.kept if one.path == "."} == {head(clone), older}
    assert pin(URL, older, store=store, mirrors=NOBODY).top.commit == older


def test_a_clone_with_a_submodule_outside_of_itself_is_refused(tmp_path: Path, store: Store) -> None:
    other, top = tmp_path / "other", tmp_path / "top"
    private = commit(other, {"secret.txt": "mine"})
    commit(top, {"version.txt": "2.8.0"})
    git(top, "checkout", "--quiet", "--detach")
    git(
        top,
        "update-ref",
        "HEAD",
        forge_submodule(top, "..", "other", "https://nowhere.invalid/x.git", private),
    )
    with pytest.raises(UnsafePathError, match=r"a submodule at '\.\./other'"):
        vendor_source(top, store=store)
    assert bundle_of(store, private) is None


def test_it_is_listed_with_the_imported_files(clone: Path, store: Store) -> None:
    vendor_source(clone, store=store)
    records = list_vendored(store)
    assert f"{head(clone)}.bundle" in {record.filename for record in records}
    assert {record.kind for record in records} == {"source"}


def test_a_clone_without_any_commit_is_refused(tmp_path: Path, store: Store) -> None:
    git(tmp_path, "init", "--quiet", "empty")
    with pytest.raises(NoCommitError, match="holds no commit"):
        vendor_source(tmp_path / "empty", store=store)


def test_a_bundle_that_was_cut_short_is_refused(clone: Path, store: Store, tmp_path: Path) -> None:
    bundle = tmp_path / "pytorch.bundle"
    git(clone, "bundle", "create", "--quiet", str(bundle), "HEAD")
    bundle.write_bytes(bundle.read_bytes()[:-100])
    with pytest.raises(SourceDamagedError, match="git cannot read"):
        vendor_source(bundle, store=store)
    assert list_vendored(store) == []


def test_an_archive_that_was_cut_short_is_no_source(clone: Path, tmp_path: Path) -> None:
    packed = tmp_path / "pytorch.tar.gz"
    with tarfile.open(packed, "w:gz") as archive:
        archive.add(clone, "pytorch")
    packed.write_bytes(packed.read_bytes()[:200])
    assert not is_source(packed)


def test_changes_that_no_commit_holds_are_told(clone: Path, store: Store) -> None:
    """A correction that somebody made in the clone alone is not in what is built."""
    assert vendor_source(clone, store=store).changed == ()
    (clone / "version.txt").write_text("2.8.0.post2+mine")
    (clone / "version.txt").chmod(0o755)
    git(clone, "rm", "--quiet", "--cached", ".gitmodules")
    (clone / "third_party/op-plugin/plugin.txt").write_text("mine")
    (clone / "build.log").write_text("made here")
    changed = vendor_source(clone, store=store).changed
    assert set(changed) == {"version.txt", ".gitmodules", "third_party/op-plugin"}


def test_the_clone_of_another_user_is_told_as_such(
    clone: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a disk that somebody else brought; it was called cut short."""
    with monkeypatch.context() as patched:
        patched.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")  # git's own switch for its tests
        with pytest.raises(OthersCloneError, match=r"belongs to another user") as told:
            vendor_source(clone, store=store)
    assert told.value.next_step == f"cp -r {clone} pytorch-copy, then `invoke vendor pytorch-copy`"
    assert list_vendored(store) == []


def test_the_commits_of_the_committed_recipes_are_asked_for() -> None:
    found = named_commits(Path(__file__).parents[2])
    assert "729dda35" in {one[:8] for one in found}
    assert json.dumps(sorted(found))


def test_the_commits_of_repositories_that_a_build_places_are_named(tmp_path: Path) -> None:
    def tree(*commits: str) -> dict[str, object]:
        module = {"url": "https://hub.test/x.git", "sha256": "0" * 64}
        rows = [
            {**module, "path": f"m{place}" if place else ".", "commit": one}
            for place, one in enumerate(commits)
        ]
        return {"ref": "main", "kind": "branch", "epoch": 0, "modules": rows}

    top, inner, placed, below = (digit * 40 for digit in "1234")
    source = {
        "component": "deep-ep",
        "version": "1.0",
        "origin": "git",
        "commit": top,
        "build": {
            "git": tree(top, inner),
            "patches": [],
            "repositories": [{"path": "third_party/catlass", "git": tree(placed, below)}],
        },
    }
    folder = tmp_path / "lockfiles/some-stack"
    folder.mkdir(parents=True)
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes/compatibility.toml").write_text(
        (Path(__file__).parents[2] / "recipes/compatibility.toml").read_text()
    )
    (folder / "sources.aarch64.toml").write_text(tomli_w.dumps({"schema": 2, "source": [source]}))
    assert {top, inner, placed, below} <= set(named_commits(tmp_path))
