"""A `[build]` table that was changed after a lock was made, whose wheel was made by the one of then."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from small_world import World

pytest_plugins = ["world_fixtures"]
_TABLE = re.compile(r"\n\[source\.build\.table\]\n(?:[a-z_]+ = \"[0-9a-f]{64}\"\n)+")


@pytest.fixture
def world_with_other_table(fresh_world: World) -> World:
    """A world whose wheelhouse is made; SGLang's `[build]` table was changed afterwards."""
    done = fresh_world.make()
    assert done.status == 0, done.err
    _change(fresh_world)
    return fresh_world


def _change(world: World) -> None:
    path = world.root / "recipes/sglang.toml"
    path.write_text(path.read_text().replace('"npu"\n', '"ours"\n') + '[build.env]\nOURS = "1"\n')


def _sources(world: World) -> Path:
    [path] = world.root.glob("lockfiles/*/sources.aarch64.toml")
    return path


def test_a_changed_build_table_is_never_passed_over(world_with_other_table: World) -> None:
    world = world_with_other_table
    for task in (("wheelhouse",), ("fetch",), ("plan",), ("build", "sglang")):
        done = world.invoke(*task, "--json")
        told = json.loads(done.out.splitlines()[-1])
        assert (done.status, told["error"]) == (2, "BuildTableChangedError"), (task, done.err)
        assert told["what"].endswith("not the one of the lock: env, local_version differ."), told
    _, *again = shlex.split(told["next"])
    assert world.invoke(*again).status == 0
    done = world.make()
    assert done.status == 0, done.err
    assert list(world.folder.glob("wheels/sglang-1.0+ours-*"))
    assert world.invoke("build", "sglang").status == 0


def test_a_matrix_says_before_that_its_lock_is_of_another_table(world_with_other_table: World) -> None:
    (world_with_other_table.root / "matrix.toml").write_text(
        '[[include]]\ntorch = "2.8.0"\nplatform = "aarch64"\n'
    )
    ended = world_with_other_table.invoke("matrix", "--dry-run", "--json")
    [cell] = json.loads(ended.out)["cells"]
    assert (cell["lock"], "env, local_version differ" in cell["note"]) == ("unusable", True), cell


def test_a_lock_that_does_not_say_its_table_stays_usable(fresh_world: World) -> None:
    assert fresh_world.make().status == 0
    text, count = _TABLE.subn("\n", (path := _sources(fresh_world)).read_text())
    assert count == 1
    path.write_text(text)
    _change(fresh_world)
    done = fresh_world.make()
    assert done.status == 0, done.err
    assert list(fresh_world.folder.glob("wheels/sglang-1.0+npu-*"))


def test_what_changes_no_wheel_asks_for_no_new_lock(fresh_world: World) -> None:
    assert fresh_world.make().status == 0
    path = fresh_world.root / "recipes/sglang.toml"
    more = '[[build.edits]]\npath = "x"\nfind = "x"\nreplace = ""\nwhen = { torch = ">=9" }\n'
    path.write_text(path.read_text().replace("pure = true\n", "pure = true\nmemory_mb = 99\n") + more)
    done = fresh_world.make()
    assert done.status == 0, done.err


def test_a_digest_that_is_recorded_later_is_of_the_table_of_then(world_with_other_table: World) -> None:
    done = world_with_other_table.invoke("reproduce", "sglang")
    assert done.status == 0, done.err
    done = world_with_other_table.make()
    assert done.status == 0, done.err
    assert list(world_with_other_table.folder.glob("wheels/sglang-1.0+ours-*"))
