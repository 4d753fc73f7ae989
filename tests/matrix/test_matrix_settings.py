"""What `ascend-wheelhouse.toml` says holds for the cells of a matrix, as for any command."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from index_server import serving
from small_world import Invoked, World, found

A3 = "sglang1.0-torch2.8.0-cann8.5.0-a3-aarch64"
B = "sglang1.0-torch2.8.0-cann8.5.0-910b-aarch64"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with serving() as index:
        yield found(tmp_path, index)


def settle(world: World, **said: str) -> None:
    lines = (f'{key.replace("_", "-")} = "{value}"\n' for key, value in said.items())
    (world.root / "ascend-wheelhouse.toml").write_text("".join(lines))


def cells(done: Invoked) -> list[dict[str, Any]]:
    assert done.out, done.err
    found: list[dict[str, Any]] = json.loads(done.out)["cells"]
    return found


def test_a_cell_takes_what_it_does_not_name_from_the_settings(world: World) -> None:
    settle(world, npu="910b")
    told = cells(world.invoke("matrix", "--platform", "aarch64", "--dry-run", "--json"))
    assert [one["name"] for one in told] == [B]
    told = cells(world.invoke("matrix", "--npu", "a3", "--npu", "910b", "--dry-run", "--json"))
    assert [one["name"] for one in told] == [A3, B]
    told = cells(world.invoke("matrix", "--platform", "aarch64", "--dry-run", "--json", WHEELHOUSE_NPU="a3"))
    assert [one["name"] for one in told] == [A3]


def test_an_axis_leaves_out_what_the_settings_say_for_another_torch(world: World) -> None:
    settle(world, torch="2.9.0", cann="9.9.9")
    done = world.invoke("matrix", "--torch", "2.8.0", "--dry-run", "--json")
    assert [one["name"] for one in cells(done)] == [A3]


def test_the_key_of_the_settings_signs_the_bundles_and_their_resolver_locks(world: World) -> None:
    assert world.invoke("keygen", "my key").status == 0
    settle(world, sign_key="my key", resolver="uv")
    words = ("--npu", "a3", "--bundle", "--allow-incomplete", "--serial", "7", "--json")
    (cell,) = cells(world.invoke("matrix", *words))
    assert cell["bundle"]["fingerprint"].startswith("SHA256:")
    lock = next((world.root / "lockfiles").glob("*/pylock.aarch64.toml")).read_text()
    assert 'resolver = "uv' in lock


@pytest.mark.parametrize("words", [("--serial", "7"), ("--allow-incomplete",), ("--sign-key", "key")])
def test_options_of_bundles_are_refused_where_none_is_asked_for(world: World, words: tuple[str, ...]) -> None:
    done = world.invoke("matrix", "--npu", "a3", "--dry-run", *words)
    assert done.status == 2
    assert f"{words[0]} says how cells are packed, and --bundle is missing." in done.err


def test_a_key_of_the_settings_asks_for_no_bundle(world: World) -> None:
    settle(world, sign_key="my key")
    assert world.invoke("matrix", "--npu", "a3", "--dry-run").status == 0
