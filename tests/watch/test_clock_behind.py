"""A host whose clock is days behind makes no lock that knows less of the index than the one that is there."""

from __future__ import annotations

import json
from dataclasses import replace

from small_world import World, wheel
from watched_world import LOCK, lock_files

pytest_plugins = ["watched_fixtures"]

_NOBODY = {"WHEELHOUSE_MIRRORS": "https://api.osv.dev/=http://127.0.0.1:9/", "PIP_RETRIES": "0"}


def test_a_lock_of_a_later_time_stays(world: World) -> None:
    """Here the lock is of a later time; that is the same to a clock that is behind it."""
    path = world.root / "lockfiles" / LOCK / "pylock.aarch64.toml"
    text = path.read_text()
    path.write_text(
        text.replace("\nresolver = ", '\nexclude_newer = "2999-01-01T00:00:00+00:00"\nresolver = ')
    )
    before = lock_files(world)
    for name, file in world.index.files.items():
        world.index.files[name] = replace(file, upload_time="2026-01-01T00:00:00Z")
    world.index.offer("numpy-2.4-py3-none-any.whl", wheel("numpy", "2.4"), upload_time="2999-02-01T00:00:00Z")
    ended = world.invoke("watch", "--apply", "--only", "numpy", "--resolver", "uv", "--json", **_NOBODY)
    assert (ended.status, lock_files(world)) == (10, before), ended.out + ended.err
    (failed,) = json.loads(ended.out)["failed"]
    assert failed["error"] == "ClockBehindError"
    assert "up to 2999-01-01 00:00" in failed["what"]
    assert "`invoke lock --upgrade --torch 2.8.0" in failed["next"]
