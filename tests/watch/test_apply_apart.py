"""`invoke watch --apply` where one lock cannot be made anew: others are, and what belongs together stays so."""

from __future__ import annotations

import json

import pytest
from small_world import Invoked, World, wheel
from watched_world import STACK, lock_files

pytest_plugins = ["watched_fixtures"]

OLDER = "torch2.8.0-cann8.3.0"
PINNED = "torch_npu-2.8.0.post1-py3-none-any.whl"
_ROW = """
[[torch_npu]]
version = "2.8.0.post1"
torch = "2.8.0"
ascend = "7.2.0"
cann = "8.3.0"
"""
_NOBODY = {"WHEELHOUSE_MIRRORS": "https://api.osv.dev/=http://127.0.0.1:9/", "PIP_RETRIES": "0"}


def _apply(world: World, *words: str) -> Invoked:
    return world.invoke("watch", "--apply", "--resolver", "uv", *words, **_NOBODY)


def _locked(world: World, *words: str) -> None:
    made = world.invoke("lock", "--resolver", "uv", *words)
    assert made.status == 0, made.err + made.out


@pytest.fixture
def two_stacks(world: World) -> World:
    """A world with the lock of a second stack, which pins another torch_npu."""
    recipes = world.root / "recipes"
    text = (recipes / f"stacks/{STACK}.toml").read_text()
    for old, new in {STACK: OLDER, "8.5.0": "8.3.0", ".post2": ".post1", "= true": "= false"}.items():
        text = text.replace(old, new)
    (recipes / f"stacks/{OLDER}.toml").write_text(text)
    table = (recipes / "compatibility.toml").read_text()
    (recipes / "compatibility.toml").write_text(table.replace('["8.5"]', '["8.3", "8.5"]') + _ROW)
    world.index.offer(PINNED, wheel("torch_npu", "2.8.0.post1", ["torch==2.8.0"]))
    _locked(world, "--stack", OLDER, "--platform", "aarch64")
    return world


def _of(files: dict[str, bytes], cann: str) -> dict[str, bytes]:
    return {name: content for name, content in files.items() if f"cann{cann}" in name}


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize(("kind", "code"), [("vanished", 8), ("unsolvable", 3)])
def test_a_lock_that_cannot_be_made_keeps_no_other_lock_out(
    two_stacks: World, form: str, kind: str, code: int
) -> None:
    """Where the pinned release is gone, the new lock would lack a component that the old one has."""
    if kind == "vanished":
        del two_stacks.index.files[PINNED]
    else:
        two_stacks.index.offer(PINNED, wheel("torch_npu", "2.8.0.post1", ["torch==9.9"]))
    two_stacks.index.offer("numpy-2.4-py3-none-any.whl", wheel("numpy", "2.4"))
    before = lock_files(two_stacks)
    ended = _apply(two_stacks, *(["--json"] if form == "json" else []))
    after = lock_files(two_stacks)
    assert ended.status == code, ended.err + ended.out
    assert _of(after, "8.3.0") == _of(before, "8.3.0")
    assert any(b"numpy-2.4" in content for content in _of(after, "8.5.0").values())
    assert "torch-npu" in ended.err
    kept, failed = "sglang1.0-torch2.8.0-cann8.5.0-a3", "sglang1.0-torch2.8.0-cann8.3.0-a3/aarch64"
    if form == "json":
        document = json.loads(ended.out)
        assert [one["folder"] for one in document["applied"]] == [kept]
        (one,) = document["failed"]
        assert (one["locks"], one["exit_code"]) == ([failed], code)
        assert all(one[key] for key in ("error", "what", "next"))
    else:
        assert "1 lock made anew; each passed the audit." in ended.out
        assert f"Not made anew, and as before: {failed}." in ended.out
        assert "Next: " in ended.err


def test_the_commands_that_an_error_proposes_are_about_its_own_lock(two_stacks: World) -> None:
    del two_stacks.index.files[PINNED]
    two_stacks.index.offer("numpy-2.4-py3-none-any.whl", wheel("numpy", "2.4"))
    told = _apply(two_stacks).err.partition("Error: ")[2]
    assert "--cann 8.5.0" not in told
    assert "VERSION" not in told


def test_all_locks_of_a_stack_that_changes_are_kept_or_none(world: World) -> None:
    """The new release is sound for aarch64 alone; the stack would name it for both."""
    _locked(world, "--torch", "2.8.0", "--platform", "x86_64")
    sound = wheel("torch_npu", "2.8.0.post4", ["torch==2.8.0"])
    clashing = wheel("torch_npu", "2.8.0.post4", ["torch==2.8.0"], extra="einops.py")
    world.index.offer("torch_npu-2.8.0.post4-cp311-cp311-manylinux_2_28_aarch64.whl", sound)
    world.index.offer("torch_npu-2.8.0.post4-cp311-cp311-manylinux_2_28_x86_64.whl", clashing)
    before = lock_files(world)
    ended = _apply(world, "--only", "torch-npu")
    assert ended.status == 7, ended.err + ended.out
    assert lock_files(world) == before
    names = ", ".join(f"sglang1.0-torch2.8.0-cann8.5.0-a3/{machine}" for machine in ("aarch64", "x86_64"))
    assert f"Not made anew, and as before: {names}." in ended.out
