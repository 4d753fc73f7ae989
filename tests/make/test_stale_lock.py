"""A lock of another cell than its stack describes now is refused by whatever reads it, until it is made again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from small_world import World

pytest_plugins = ["world_fixtures"]

STACK = "recipes/stacks/torch2.8.0-cann8.5.0.toml"


def _drop_nnal(world: World) -> None:
    path = world.root / STACK
    kept = [line for line in path.read_text().splitlines() if not line.startswith("nnal")]
    path.write_text("\n".join(kept) + "\n")


@pytest.fixture
def stale(fresh_world: World) -> World:
    """A world with a finished wheelhouse, whose stack lost a component after that."""
    made = fresh_world.make()
    assert made.status == 0, made.err
    _drop_nnal(fresh_world)
    return fresh_world


def test_every_command_that_reads_it_refuses_it_with_the_next_command(stale: World) -> None:
    before = {path: path.read_bytes() for path in Path(stale.root, "lockfiles").rglob("*") if path.is_file()}
    bundle = ("bundle", "--insecure-no-signature", "--allow-incomplete")
    for words in (
        ("plan",),
        ("wheelhouse",),
        ("fetch",),
        ("build", "sglang"),
        ("reproduce", "sglang"),
        bundle,
    ):
        ended = stale.invoke(*words, "--torch", "2.8.0")
        assert ended.status == 2, (words, ended.out, ended.err)
        assert "was made for another cell: nnal differ" in ended.err, words
        assert "invoke lock --upgrade --torch 2.8.0" in ended.err
    after = {path: path.read_bytes() for path in before}
    assert after == before


def test_a_matrix_tells_it_of_the_cell(stale: World) -> None:
    (stale.root / "matrix.toml").write_text('[[include]]\ntorch = "2.8.0"\nplatform = "aarch64"\n')
    ended = stale.invoke("matrix", "--dry-run", "--json")
    [cell] = json.loads(ended.out)["cells"]
    assert cell["lock"] == "unusable"
    assert "nnal differ" in cell["note"]


def test_the_printed_command_makes_it_again_and_says_what_moved(stale: World) -> None:
    ended = stale.invoke("lock", "--upgrade", "--resolver", "uv", "--torch", "2.8.0")
    assert ended.status == 0, ended.err
    assert "Nothing changed" in ended.out
    assert stale.invoke("plan", "--torch", "2.8.0").status == 0
