"""A lock of an earlier version, which says less of its sources, is no reason to take a new one of the same files."""

from __future__ import annotations

import re

from small_world import World
from watched_world import LOCK, lock_files

pytest_plugins = ["watched_fixtures"]
_TABLE = re.compile(r"\n\[source\.build\.table\]\n(?:[a-z_]+ = \"[0-9a-f]{64}\"\n)+")


def test_a_lock_without_the_table_of_its_builds_is_left_where_nothing_else_fits(world: World) -> None:
    path = world.root / f"lockfiles/{LOCK}/sources.aarch64.toml"
    text, count = _TABLE.subn("\n", path.read_text())
    assert count == 1
    path.write_text(text)
    old = world.index.files["torch_npu-2.8.0.post2-py3-none-any.whl"]
    world.index.offer(old.filename, old.content, yanked="wrong results")
    before = lock_files(world)
    nobody = {"WHEELHOUSE_MIRRORS": "https://api.osv.dev/=http://127.0.0.1:9/", "PIP_RETRIES": "0"}
    ended = world.invoke("watch", "--apply", "--resolver", "uv", **nobody)
    assert (ended.status, lock_files(world)) == (0, before), ended.err + ended.out
