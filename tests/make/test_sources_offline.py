"""`--offline` asks no index for what builds an imported source either."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from index_server import serving
from small_world import World, found, sdist, snapshot, wheel

_SDIST = "sglang-1.0.tar.gz"


@pytest.fixture
def world_with_source(tmp_path: Path) -> Iterator[World]:
    """A world that has SGLang's source from a person alone."""
    with serving() as index:
        made = found(tmp_path / "world", index)
        recipe = made.root / "recipes/sglang.toml"
        recipe.write_text(recipe.read_text().replace('kind = "sdist"', 'kind = "file"'))
        yield made


def bring_source(world: World) -> None:
    (world.root / _SDIST).write_bytes(sdist())
    done = world.invoke("vendor", _SDIST, "--component", "sglang", "--version", "1.0")
    assert done.status == 0, done.err


def test_a_build_asks_nothing(world_with_source: World) -> None:
    bring_source(world_with_source)
    done = world_with_source.invoke("build", "sglang", "--offline", "--json")
    told = json.loads(done.out.splitlines()[-1])
    assert (done.status, told["error"]) == (4, "UnreachableSourceError")
    assert "--offline asks no index" in told["what"]
    assert told["next"] == "the same command without --offline, once"
    assert not world_with_source.index.asked
    assert world_with_source.invoke("build", "sglang").status == 0


def test_a_source_that_is_not_in_the_lock_waits(world_with_source: World) -> None:
    wheel_file = "sglang-1.0-py3-none-any.whl"
    (world_with_source.root / wheel_file).write_bytes(wheel("sglang", "1.0"))
    assert world_with_source.invoke("vendor", wheel_file, "--component", "sglang").status == 0
    assert world_with_source.make().status == 0
    bring_source(world_with_source)
    before, asked = snapshot(world_with_source.root / "lockfiles"), len(world_with_source.index.asked)
    done = world_with_source.make("--offline", "--build", "sglang")
    assert done.status == 0, done.err
    assert len(world_with_source.index.asked) == asked
    assert snapshot(world_with_source.root / "lockfiles") == before
    manifest = json.loads((world_with_source.folder / "manifest.json").read_text())
    pending = {one["component"]: one["reason"] for one in manifest["pending"]}
    assert "--offline asks no index" in pending["sglang"]
    assert not list((world_with_source.folder / "wheels").glob("sglang-*"))  # another than was asked for
    assert world_with_source.make("--offline").status == 0
    assert list((world_with_source.folder / "wheels").glob("sglang-*"))
