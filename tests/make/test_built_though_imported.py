"""What a person names to be built is built, though its wheel was imported."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from index_server import serving
from small_world import World, found, wheel

_WHEEL = "sglang-1.0-py3-none-any.whl"
_BUILT = "sglang-1.0+npu-py3-none-any.whl"


@pytest.fixture
def importing_world(tmp_path: Path) -> Iterator[World]:
    with serving() as index:
        made = found(tmp_path / "world", index)
        (made.root / _WHEEL).write_bytes(wheel("sglang", "1.0", ["einops"]))
        done = made.invoke("vendor", _WHEEL, "--component", "sglang")
        assert done.status == 0, done.err
        yield made


def origin_of_sglang(world: World) -> str:
    files = json.loads((world.folder / "manifest.json").read_text())["files"]
    (origin,) = (one["origin"] for one in files if one["path"].startswith("wheels/sglang-"))
    return str(origin)


def test_build_makes_the_wheel(importing_world: World) -> None:
    done = importing_world.invoke("build", "sglang", "--json")
    assert done.status == 0, done.err
    assert _BUILT in done.out


def test_a_wheelhouse_takes_the_imported_wheel_or_builds_as_asked(importing_world: World) -> None:
    assert importing_world.make().status == 0
    assert origin_of_sglang(importing_world) == "vendored"
    done = importing_world.make("--build", "sglang", "--json")
    told = json.loads(done.out.splitlines()[-1])
    assert (done.status, told["error"], told["why"]) == (
        2,
        "OtherNeedsError",
        "The lock was made with a wheel of it.",
    )
    _, *again = shlex.split(told["next"])
    done = importing_world.invoke(*again)
    assert done.status == 0, done.err
    assert origin_of_sglang(importing_world) == "sdist"


def test_without_a_source_the_next_command_is_not_to_go_online_that_it_is(importing_world: World) -> None:
    recipe = importing_world.root / "recipes/sglang.toml"
    recipe.write_text(recipe.read_text().replace('kind = "sdist"', 'kind = "file"'))
    done = importing_world.invoke("build", "sglang", "--json")
    told = json.loads(done.out.splitlines()[-1])
    assert (done.status, told["error"]) == (3, "NoSourceError")
    assert "--offline" not in told["next"]
    assert "invoke vendor" in told["next"]
