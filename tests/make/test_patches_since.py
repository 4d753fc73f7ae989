"""Patches that came, or went, after a lock was made: the wheel that it knows was made with those of then."""

from __future__ import annotations

import json
import shlex

import pytest
from small_world import World

pytest_plugins = ["world_fixtures"]
_PATCH = "--- /dev/null\n+++ b/sglang/ours.py\n@@ -0,0 +1 @@\n+ours = True\n"


@pytest.fixture
def patched_world(fresh_world: World) -> World:
    """A world whose wheelhouse is made; a patch of SGLang was written afterwards."""
    done = fresh_world.make()
    assert done.status == 0, done.err
    folder = fresh_world.root / "recipes/patches/sglang/==1.0"
    folder.mkdir(parents=True)
    (folder / "ours.patch").write_text(_PATCH)
    return fresh_world


def test_a_new_patch_is_never_passed_over(patched_world: World) -> None:
    for task in ("wheelhouse", "fetch", "plan"):
        done = patched_world.invoke(task, "--json")
        told = json.loads(done.out.splitlines()[-1])
        assert (done.status, told["error"]) == (2, "PatchesChangedError"), (task, done.err)
        assert told["what"].endswith("not those of the lock: sglang/==1.0/ours.patch.")
    assert (patched_world.folder / "manifest.json").is_file()
    _, *again = shlex.split(told["next"])
    done = patched_world.invoke(*again)
    assert done.status == 0, done.err
    done = patched_world.make()
    assert done.status == 0, done.err
    assert "ours.patch" in (patched_world.folder / "sources.aarch64.toml").read_text()
    said = "built with patches: sglang/==1.0/ours.patch"
    assert said in done.out
    files = json.loads((patched_world.folder / "manifest.json").read_text())["files"]
    assert [one["component"] for one in files if one["note"] == said] == ["sglang"]
    bill = json.loads((patched_world.folder / "sbom.cdx.json").read_text())["components"]
    assert [one["name"] for one in bill for each in one.get("properties", []) if each["value"] == said] == [
        "sglang"
    ]
    assert said.replace(">", "&gt;") in (patched_world.folder / "wheelhouse.html").read_text()


def test_a_patch_that_is_gone_is_told_and_its_wheel_taken_as_the_lock_knows_it(patched_world: World) -> None:
    assert patched_world.invoke("lock", "--upgrade", "--resolver", "uv").status == 0
    assert patched_world.make().status == 0
    (patched_world.root / "recipes/patches/sglang/==1.0/ours.patch").unlink()
    for task in ("wheelhouse", "plan"):
        done = patched_world.invoke(task)
        assert done.status == 0, done.err
        assert "sglang is taken with the patches that its lock names" in done.out + done.err, task
