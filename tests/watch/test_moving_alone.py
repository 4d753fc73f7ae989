"""Some wheels of a lock move, and the others stay: `--upgrade-package`, and `invoke watch --apply --only`."""

from __future__ import annotations

import json
import shutil
import tomllib

import pytest
from small_world import Invoked, World, wheel
from watched_world import CELL, LOCK, lock_files

pytest_plugins = ["watched_fixtures"]


def _offer(world: World, name: str, version: str, *requires: str) -> None:
    world.index.offer(f"{name}-{version}-py3-none-any.whl", wheel(name, version, requires))


def _versions(world: World) -> dict[str, str]:
    text = (world.root / f"lockfiles/{LOCK}/pylock.aarch64.toml").read_text()
    return {one["name"]: one["version"] for one in tomllib.loads(text)["packages"]}


def _move(world: World, named: str, *words: str, resolver: str = "uv") -> Invoked:
    return world.invoke("lock", "--upgrade-package", named, "--resolver", resolver, *words, *CELL)


@pytest.mark.parametrize("resolver", ["uv", "pip-tools"])
def test_only_the_wheel_that_is_named_moves(world: World, resolver: str) -> None:
    before = _versions(world)
    _offer(world, "numpy", "2.4")
    _offer(world, "einops", "0.9")
    moved = _move(world, "Numpy", "--json", resolver=resolver)
    assert moved.status == 0, moved.err
    assert _versions(world) == {**before, "numpy": "2.4"}
    (change,) = json.loads(moved.out)["changes"]
    assert (change["name"], change["before"], change["after"]) == ("numpy", "2.0", "2.4")
    again = lock_files(world)
    assert "Nothing changed." in _move(world, "numpy", resolver=resolver).out
    assert lock_files(world) == again


def test_a_version_of_ones_own_is_taken_and_one_that_nothing_allows_is_refused(world: World) -> None:
    for version in ("2.3", "2.4", "3.0"):
        _offer(world, "numpy", version)
    moved = _move(world, "numpy==2.3", "--json")
    assert moved.status == 0, moved.err
    assert [one["reason"] for one in json.loads(moved.out)["changes"]] == ["asked for"]
    assert _versions(world)["numpy"] == "2.3"
    before = lock_files(world)
    refused = _move(world, "numpy==3.0")  # tqdm bounds it
    assert refused.status == 3, refused.err
    assert "numpy" in refused.err
    assert "all may have moved" not in refused.err
    nowhere = _move(world, "numpy==2.99")
    assert nowhere.status == 3, nowhere.err
    assert "These versions have one: 2.0, 2.3, 2.4, 3.0" in " ".join(nowhere.err.split())
    assert lock_files(world) == before


@pytest.mark.parametrize("resolver", ["uv", "pip-tools"])
def test_what_has_to_move_with_it_moves(world: World, resolver: str) -> None:
    before = _versions(world)
    _offer(world, "numpy", "2.4", "einops>=0.9")
    _offer(world, "einops", "0.9")
    _offer(world, "tqdm", "5.0")
    moved = _move(world, "numpy", resolver=resolver)
    assert moved.status == 0, moved.err
    assert _versions(world) == {**before, "numpy": "2.4", "einops": "0.9"}


@pytest.mark.parametrize(
    ("named", "told"),
    [
        ("torch-npu", "torch-npu is a component"),
        ("sglang", "sglang is a component"),
        ("nunpy", "--upgrade-package numpy --torch 2.8.0"),
        ("numpy>=2", "'numpy>=2' names no wheel and version."),
        ("numpy==2.*", "'numpy==2.*' names no wheel and version."),
        ("numpy[x]", "'numpy[x]' names no wheel and version."),
        ("numpy ==", "'numpy ==' names no wheel and version."),
        (" , ", "' , ' names no wheel and version."),
        ("numpy==2.4,einops,NumPy==2.3", "numpy is named 2 times: NumPy==2.3, numpy==2.4."),
    ],
)
def test_what_cannot_move_alone_is_refused(world: World, named: str, told: str) -> None:
    before = lock_files(world)
    refused = _move(world, named)
    assert refused.status == 2, refused.err
    assert told in " ".join(refused.err.split())
    assert lock_files(world) == before


def test_a_wheel_that_no_index_has_is_read_from_its_release(world: World) -> None:
    """The resolver must know what it asks for, and the store of another host has it not yet."""
    name = "triton_ascend-3.2.0-py3-none-any.whl"
    world.index.raw[f"/releases/{name}"] = ("application/zip", world.index.files.pop(name).content)
    recipe = world.root / "recipes/triton-ascend.toml"
    url = f'kind = "url"\nurl = "{world.index.url}/releases/{name}"'
    recipe.write_text(recipe.read_text().replace('kind = "index"', url))
    made = world.invoke("lock", "--upgrade", "--resolver", "uv", *CELL)
    assert made.status == 0, made.err
    before = _versions(world)
    shutil.rmtree(world.store)
    _offer(world, "numpy", "2.4")
    moved = _move(world, "numpy")
    assert moved.status == 0, moved.err
    assert _versions(world) == {**before, "numpy": "2.4"}


def test_without_a_lock_and_beside_a_whole_upgrade_it_is_refused(world: World) -> None:
    none = world.invoke("lock", "--upgrade-package", "numpy", "--torch", "2.8.0", "--platform", "x86_64")
    assert none.status == 2
    assert "has no lock in which numpy could move alone" in " ".join(none.err.split())
    both = _move(world, "numpy", "--upgrade")
    assert both.status == 2
    assert "--upgrade and --upgrade-package exclude each other." in both.err


def test_a_watch_that_names_a_component_keeps_what_is_none(world: World) -> None:
    before = _versions(world)
    _offer(world, "numpy", "2.4")
    _offer(world, "einops", "0.9")
    release = wheel("torch_npu", "2.8.0.post4", ["torch==2.8.0", "einops>=0.9"])
    world.index.offer("torch_npu-2.8.0.post4-py3-none-any.whl", release)
    nobody = {"WHEELHOUSE_MIRRORS": "https://api.osv.dev/=http://127.0.0.1:9/", "PIP_RETRIES": "0"}
    done = world.invoke("watch", "--apply", "--resolver", "uv", "--only", "torch-npu", **nobody)
    assert done.status == 0, done.err + done.out
    assert _versions(world) == {**before, "torch-npu": "2.8.0.post4", "einops": "0.9"}


@pytest.mark.parametrize("resolver", ["uv", "pip-tools"])
def test_a_pin_that_no_index_has_any_more_keeps_no_other_from_moving(world: World, resolver: str) -> None:
    _offer(world, "numpy", "2.4")
    _offer(world, "einops", "0.9")
    del world.index.files["einops-0.8-py3-none-any.whl"]
    moved = _move(world, "numpy", resolver=resolver)
    assert moved.status == 0, moved.err
    assert (_versions(world)["numpy"], _versions(world)["einops"]) == ("2.4", "0.9")


def test_a_watch_that_names_a_wheel_moves_that_one(world: World) -> None:
    before = _versions(world)
    _offer(world, "numpy", "2.4")
    _offer(world, "einops", "0.9")
    nobody = {"WHEELHOUSE_MIRRORS": "https://api.osv.dev/=http://127.0.0.1:9/", "PIP_RETRIES": "0"}
    words = ("watch", "--apply", "--resolver", "uv", "--only", "numpy")
    done = world.invoke(*words, **nobody)
    assert done.status == 0, done.err + done.out
    assert _versions(world) == {**before, "numpy": "2.4"}
    whole = world.invoke(*words[:-2], **nobody)
    assert whole.status == 0, whole.err + whole.out
    assert _versions(world) == {**before, "numpy": "2.4", "einops": "0.9"}


def test_a_release_that_no_row_ties_to_the_cann_is_told_and_one_with_a_row_is_not(world: World) -> None:
    move = ("watch", "--apply", "--only", "torch-npu", "--resolver", "uv")
    _offer(world, "torch_npu", "2.8.0.post9", "torch==2.8.0")
    table = world.root / "recipes/compatibility.toml"
    bare = table.read_text()
    moved = world.invoke(*move)
    assert moved.status == 0, moved.err
    assert "not known: torch-npu 2.8.0.post9: recipes/compatibility.toml has no row" in " ".join(
        moved.out.split()
    )
    _offer(world, "torch_npu", "2.8.0.post10", "torch==2.8.0")
    row = '[[torch_npu]]\nversion = "2.8.0.post10"\ntorch = "2.8.0"\ncann = "8.5.0"\nascend = "7.3.0"\n'
    table.write_text(f"{row}\n{bare}")
    moved = world.invoke(*move, "--json")
    assert moved.status == 0, moved.err
    (applied,) = json.loads(moved.out)["applied"]
    assert [one["after"] for one in applied["changes"]] == ["2.8.0.post10"]
    assert applied["unstated"] == []
