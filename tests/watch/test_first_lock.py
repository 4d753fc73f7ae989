"""What `invoke lock` prints of a first lock, and of one that takes the place of another."""

from __future__ import annotations

from small_world import World, wheel
from watched_world import CELL, LOCK

pytest_plugins = ["watched_fixtures"]

_UV = ("--resolver", "uv")


def test_a_first_lock_is_listed_with_verbose_alone(world: World) -> None:
    for path in (world.root / "lockfiles" / LOCK).iterdir():
        path.unlink()
    first = world.invoke("lock", *_UV, *CELL)
    assert first.out.splitlines() == [f"lockfiles/{LOCK}: 9 wheels locked for aarch64", "pending: nnal"]
    for path in (world.root / "lockfiles" / LOCK).iterdir():
        path.unlink()
    assert "numpy" in world.invoke("lock", "--verbose", *_UV, *CELL).out
    world.index.offer("numpy-2.4-py3-none-any.whl", wheel("numpy", "2.4"))
    assert "numpy  changed" in world.invoke("lock", "--upgrade", *_UV, *CELL).out
