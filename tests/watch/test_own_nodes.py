"""A release is news for the stacks whose nodes have a wheel of it, and not for those of another cell's lock."""

from __future__ import annotations

import json

import pytest
from small_world import World, wheel
from watched_world import STACK, look, told

pytest_plugins = ["watched_fixtures"]


@pytest.fixture
def with_newer_glibc(world: World) -> World:
    """Return the world with a lock of a derived cell beside it, whose nodes have a newer glibc."""
    words = ("--torch", "2.8.0", "--platform", "aarch64", "--cann", "8.5.1", "--glibc", "2.34")
    done = world.invoke("lock", "--resolver", "uv", *words)
    assert done.status == 0, done.err
    return world


def test_a_release_for_the_glibc_of_another_lock_is_no_news_for_a_stack(with_newer_glibc: World) -> None:
    """It was proposed with a command, and the new lock had no wheel of it."""
    newer = wheel("torch_npu", "2.8.0.post4", ("torch==2.8.0",))
    with_newer_glibc.index.offer("torch_npu-2.8.0.post4-cp311-cp311-manylinux_2_34_aarch64.whl", newer)
    assert [one for one in told(look(with_newer_glibc)) if one.startswith("new/torch-npu")] == []


def test_a_release_for_the_nodes_of_a_stack_is(with_newer_glibc: World) -> None:
    newer = wheel("torch_npu", "2.8.0.post4", ("torch==2.8.0",))
    with_newer_glibc.index.offer("torch_npu-2.8.0.post4-cp311-cp311-manylinux_2_28_aarch64.whl", newer)
    found = told(look(with_newer_glibc))["new/torch-npu/2.8.0.post2/2.8.0.post4"]
    assert found.stacks == (STACK,)


def test_a_lock_whose_components_are_not_compared_is_named_with_what_makes_it_anew(
    with_newer_glibc: World,
) -> None:
    """Nothing was said of it: a new torch_npu for a derived cell was no news."""
    folder = "sglang1.0-torch2.8.0-cann8.5.1-a3-glibc2.34"
    words = ("watch", "--offline", "--torch", "2.8.0", "--cann", "8.5.1")
    plain = with_newer_glibc.invoke(*words)
    again = "invoke lock --upgrade --torch 2.8.0 --platform aarch64 --glibc 2.34 --cann 8.5.1 --sglang 1.0"
    assert f"  `{again}`\n" in plain.out
    said = json.loads(with_newer_glibc.invoke(*words, "--json").out)
    assert said["derived"] == [f"{folder}/aarch64"]
    whole = json.loads(with_newer_glibc.invoke("watch", "--offline", "--json").out)
    assert whole["derived"] == said["derived"]
    again_made = with_newer_glibc.invoke(*again.split()[1:], "--resolver", "uv")
    assert again_made.status == 0, again_made.err
