"""What `invoke reproduce` found of a wheel stays in a lock that is made again, while the wheel is the same."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from index_server import serving
from small_world import World, found

FOUND = "bit-equal when built again under other conditions"
LOCK = "lockfiles/sglang1.0-torch2.8.0-cann8.5.0-a3"


@pytest.fixture
def proven(tmp_path: Path) -> Iterator[World]:
    """A world whose lock has the note, as a reproduced wheel leaves it."""
    with serving() as index:
        world = found(tmp_path, index)
        locked = world.invoke("lock", "--resolver", "uv")
        assert locked.status == 0, locked.err
        for name in ("sources", "pylock"):
            path = tmp_path / LOCK / f"{name}.aarch64.toml"
            text = path.read_text("utf-8")
            places = 'component = "sglang"\norigin = "sdist"\n', 'origin = "sdist"\ncomponent = "sglang"\n'
            place = next(one for one in places if one in text)
            path.write_text(text.replace(place, f'{place}note = "{FOUND}"\n'), "utf-8")
        yield world


def note_of(world: World) -> str:
    text = (world.root / LOCK / "sources.aarch64.toml").read_text("utf-8")
    (source,) = tomllib.loads(text)["source"]
    return str(source["wheel"].get("note", ""))


def test_the_note_of_a_reproduced_wheel_stays_where_the_same_bytes_were_built(proven: World) -> None:
    """`--upgrade` lost it, and so did each lock that `invoke watch --apply` made."""
    done = proven.invoke("lock", "--upgrade", "--resolver", "uv")
    assert done.status == 0, done.err
    assert note_of(proven) == FOUND
    assert FOUND in (proven.root / LOCK / "pylock.aarch64.toml").read_text("utf-8")


def test_the_note_goes_where_the_wheel_is_built_otherwise(proven: World) -> None:
    recipe = proven.root / "recipes/sglang.toml"
    text = recipe.read_text("utf-8")
    recipe.write_text(text.replace('local_version = "npu"', 'local_version = "npu2"'), "utf-8")
    done = proven.invoke("lock", "--upgrade", "--resolver", "uv")
    assert done.status == 0, done.err
    assert note_of(proven) == ""
