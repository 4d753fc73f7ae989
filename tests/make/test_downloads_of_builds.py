"""Files that a build would download, by whatever URL: fetched by digest, and carried along."""

from __future__ import annotations

import hashlib

import pytest
from small_world import World

pytest_plugins = ["world_fixtures"]


@pytest.mark.parametrize("path", ["/given/header.h", "/given/", "/", "/get?file=a/..", "/get/?file=a"])
def test_a_file_behind_any_url_is_fetched_and_carried_along(fresh_world: World, path: str) -> None:
    content = b"#define ANSWER 42\n"
    fresh_world.index.raw[path] = ("text/plain", content)
    digest = hashlib.sha256(content).hexdigest()
    recipe = fresh_world.root / "recipes/sglang.toml"
    table = f'\n[[build.downloads]]\nurl = "{fresh_world.index.url}{path}"\nsha256 = "{digest}"\n'
    recipe.write_text(recipe.read_text() + table)
    done = fresh_world.make()
    assert done.status == 0, done.err
    [carried] = fresh_world.folder.glob(f"sources/{digest[:12]}-*")
    assert carried.read_bytes() == content
