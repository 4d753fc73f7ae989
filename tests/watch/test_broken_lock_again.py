"""`invoke lock --upgrade` makes a lock again that cannot be read, as every error of such a lock proposes."""

from __future__ import annotations

import pytest
from small_world import World
from watched_world import CELL, LOCK, lock_files

pytest_plugins = ["watched_fixtures"]


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("requirements.aarch64.txt", "numpy==2.0", "numpy==1.0"),
        ("pylock.aarch64.toml", 'name = "numpy"', 'nom = "numpy"'),
        ("sources.aarch64.toml", "schema =", "<<<<<<< HEAD\nschema ="),
    ],
)
def test_a_lock_that_cannot_be_read_is_made_again(world: World, name: str, before: str, after: str) -> None:
    sound = lock_files(world)
    path = world.root / "lockfiles" / LOCK / name
    path.write_text(path.read_text().replace(before, after, 1))
    refused = world.invoke("lock", *CELL)
    assert refused.status == 2, refused.err
    assert "`invoke lock --upgrade --torch" in refused.err
    made = world.invoke("lock", "--upgrade", "--resolver", "uv", *CELL)
    assert made.status == 0, made.err
    assert "all of its wheels count as added" in " ".join(made.err.split())
    assert lock_files(world) == sound
