from __future__ import annotations

from pathlib import Path

import pytest
from making_builds import Bench
from sdists import PUBLISHED, built, opened, outcome, recipe, sdist, where
from upstreams import add_submodule, commit

from ascend_wheelhouse.build.job import Sources
from ascend_wheelhouse.build.lfs_pointers import LfsPointerError
from ascend_wheelhouse.origins.git import pin
from ascend_wheelhouse.origins.mirrors import Mirrors

POINTER = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'4d' * 32}\nsize 12345\n"


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(root=tmp_path / "store")


def test_a_source_archive_that_holds_pointers_of_lfs_is_refused(bench: Bench, tmp_path: Path) -> None:
    path = sdist(tmp_path, {"pyproject.toml": PUBLISHED, "server/kernels.bin": POINTER})
    with pytest.raises(LfsPointerError) as caught:
        built(bench, path)
    assert "server-1.0.tar.gz holds pointer files" in caught.value.what
    assert "server/kernels.bin" in caught.value.what
    assert "recipes/server.toml" in caught.value.next_step


@pytest.mark.parametrize("below", ["", "deps/kernels"], ids=["in the source itself", "in a submodule"])
def test_a_source_in_git_that_holds_pointers_of_lfs_is_refused(
    below: str, bench: Bench, tmp_path: Path
) -> None:
    servers = tmp_path / "servers"
    top, kernels = servers / "server.git", servers / "kernels.git"
    commit(kernels, {"a.bin": POINTER if below else "content\n"})
    commit(top, {"pyproject.toml": PUBLISHED, "a.bin": "content\n" if below else POINTER})
    add_submodule(top, "../kernels.git", "deps/kernels", kernels)
    commit(top, {"README.md": "first\n"})
    mirrors = Mirrors(prefixes={"https://code.test/": f"file://{servers}/"})
    source = pin("https://code.test/server.git", "main", store=bench.store, mirrors=mirrors)
    with pytest.raises(LfsPointerError, match=r"^branch main holds pointer files") as caught:
        outcome(bench, recipe(subdirectory="."), Sources(tree=source), where())
    assert caught.value.what.endswith(f" {'deps/kernels/a.bin' if below else 'a.bin'}.")


def test_pointers_in_a_folder_that_the_recipe_cleans_away_are_no_hindrance(
    bench: Bench, tmp_path: Path
) -> None:
    path = sdist(tmp_path, {"pyproject.toml": PUBLISHED, "docs/picture.png": POINTER})
    with opened(bench, built(bench, path, clean=["docs"]), tmp_path) as wheel:
        assert "server/a.py" in {one.name for one in wheel.members}


@pytest.mark.parametrize(
    "text",
    [POINTER.replace("size 12345\n", ""), f"# {POINTER}", POINTER.replace("sha256:", "")],
    ids=["no size", "a text about one", "no digest"],
)
def test_a_file_that_is_like_a_pointer_is_built(text: str, bench: Bench, tmp_path: Path) -> None:
    path = sdist(tmp_path, {"pyproject.toml": PUBLISHED, "server/a.txt": text})
    assert built(bench, path).filename.startswith("server-1.0+npu-")
