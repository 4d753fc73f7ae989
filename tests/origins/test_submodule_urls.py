from __future__ import annotations

import os
from pathlib import Path

import pytest
from upstreams import add_submodule, commit, git

from ascend_wheelhouse.origins.git import PathNotTextError, RefMissingError, pin
from ascend_wheelhouse.origins.mirrors import Mirrors
from ascend_wheelhouse.store.store import Store


@pytest.mark.parametrize("scheme", ["ssh://git@host.test", "https://host.test"])
def test_a_relative_submodule_is_found_beside_its_parent_by_any_scheme(tmp_path: Path, scheme: str) -> None:
    inner, top = tmp_path / "servers/inner.git", tmp_path / "servers/top.git"
    commit(inner, {"inner.txt": "inner\n"})
    _with_submodule(top, inner, "\turl = ../inner.git\n")
    mirrors = Mirrors(prefixes={f"{scheme}/": f"file://{tmp_path}/servers/"})
    source = pin(f"{scheme}/top.git", "main", store=Store(tmp_path / "store"), mirrors=mirrors)
    assert [module.url for module in source.modules] == [f"{scheme}/top.git", f"{scheme}/inner.git"]


@pytest.mark.parametrize(
    ("parent", "url", "found"),
    [
        ("git@host.test:group/top.git", "../inner.git", "git@host.test:group/inner.git"),
        ("git@host.test:group/top.git", "../../other/inner.git", "git@host.test:other/inner.git"),
        ("git@host.test:/srv/top.git", "../inner.git", "git@host.test:/srv/inner.git"),
        ("https://host.test/group/top.git", "../../../../inner.git", "https://host.test/inner.git"),
    ],
)
def test_a_relative_submodule_is_at_the_host_of_its_parent(
    tmp_path: Path, parent: str, url: str, found: str
) -> None:
    """Of `git@host:group/name.git` the host was lost, and it was refused as a path of this host."""
    inner, top = tmp_path / "servers/inner.git", tmp_path / "servers/top.git"
    commit(inner, {"inner.txt": "inner\n"})
    _with_submodule(top, inner, f"\turl = {url}\n")
    mirrors = Mirrors(prefixes={parent: f"file://{top}", found: f"file://{inner}"})
    source = pin(parent, "main", store=Store(tmp_path / "store"), mirrors=mirrors)
    assert [module.url for module in source.modules] == [parent, found]


def test_a_submodule_without_a_url_is_told(tmp_path: Path) -> None:
    inner, top = tmp_path / "servers/inner.git", tmp_path / "servers/top.git"
    commit(inner, {"inner.txt": "inner\n"})
    _with_submodule(top, inner, "")
    with pytest.raises(RefMissingError, match="inner"):
        pin(f"file://{top}", "main", store=Store(tmp_path / "store"), mirrors=Mirrors())


def test_a_submodule_of_any_name_is_fetched(tmp_path: Path) -> None:
    inner, top = tmp_path / "servers/inner.git", tmp_path / "servers/top.git"
    commit(inner, {"inner.txt": "inner\n"})
    commit(top, {"top.txt": "top\n"})
    for path in ("deps/arch=a3", "deps/ünï code"):
        add_submodule(top, f"file://{inner}", path, inner)
    git(top, "commit", "--quiet", "--message", "submodules")
    source = pin(f"file://{top}", "main", store=Store(tmp_path / "store"), mirrors=Mirrors())
    assert [module.path for module in source.modules] == [".", "deps/arch=a3", "deps/ünï code"]


def _with_submodule(top: Path, inner: Path, url: str) -> None:
    commit(top, {".gitmodules": f'[submodule "inner"]\n\tpath = inner\n{url}'})
    at = git(inner, "rev-parse", "HEAD").strip()
    git(top, "update-index", "--add", "--cacheinfo", f"160000,{at},inner")
    git(top, "commit", "--quiet", "--message", "submodule")
    git(top, "branch", "--force", "--move", "main")


def test_a_submodule_whose_path_is_no_text_is_told(tmp_path: Path) -> None:
    """It was laid at another path, in which each byte that is none of UTF-8 was replaced."""
    inner, top = tmp_path / "servers/inner.git", tmp_path / "servers/top.git"
    commit(inner, {"inner.txt": "inner\n"})
    commit(top, {"top.txt": "top\n"})
    named = os.fsdecode(b"deps/caf\xe9")
    (top / ".gitmodules").write_bytes(b'[submodule "inner"]\n\tpath = deps/caf\xe9\n\turl = ../inner.git\n')
    at = git(inner, "rev-parse", "HEAD").strip()
    git(top, "add", ".gitmodules")
    git(top, "update-index", "--add", "--cacheinfo", f"160000,{at},{named}")
    git(top, "commit", "--quiet", "--message", "submodule")
    git(top, "branch", "--force", "--move", "main")
    with pytest.raises(PathNotTextError, match="deps/caf") as told:
        pin(f"file://{top}", "main", store=Store(tmp_path / "store"), mirrors=Mirrors())
    assert "submodules = false" in told.value.next_step
