"""A new lock does not take the place of one that has more: what is gone or silent is told, and nothing is written."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from index_server import Offered
from making_packages import makeself
from small_world import World

from ascend_wheelhouse.cells.cell import Cell
from ascend_wheelhouse.locks.lock import Lock, Pending
from ascend_wheelhouse.make.lost_components import ComponentLostError, hold_complete
from ascend_wheelhouse.make.project_folder import ProjectFolder

pytest_plugins = ["world_fixtures"]

STACK = "recipes/stacks/torch2.8.0-cann8.5.0.toml"
_UPGRADE = ("lock", "--upgrade", "--resolver", "uv")


def _files(world: World) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in Path(world.root, "lockfiles").rglob("*") if path.is_file()}


def _taken_away(world: World, beginning: str) -> dict[str, Offered]:
    gone = {name: content for name, content in world.index.files.items() if name.startswith(beginning)}
    for name in gone:
        del world.index.files[name]
    assert gone
    return gone


@pytest.fixture
def whole_world(fresh_world: World) -> World:
    """A world whose cell has a lock."""
    done = fresh_world.invoke("lock", "--resolver", "uv")
    assert done.status == 0, done.err
    return fresh_world


@pytest.mark.parametrize("words", [_UPGRADE, ("wheelhouse", "--upgrade", "--resolver", "uv", "--no-audit")])
def test_a_release_that_is_gone_leaves_the_lock_as_it_was(whole_world: World, words: tuple[str, ...]) -> None:
    before = _files(whole_world)
    gone = _taken_away(whole_world, "torch_npu-")
    ended = whole_world.invoke(*words)
    assert ended.status == 8, ended.err + ended.out
    assert "would lack torch-npu, and the one before it is as it was" in ended.err
    assert "--build" not in ended.err
    assert _files(whole_world) == before
    whole_world.index.files.update(gone)
    assert whole_world.invoke(*words).status == 0


def test_it_is_told_as_an_object_and_the_way_without_it_works(whole_world: World) -> None:
    _taken_away(whole_world, "torch_npu-")
    ended = whole_world.invoke(*_UPGRADE, "--json")
    told = json.loads(ended.out.splitlines()[-1])
    assert (ended.status, told["error"], told["exit_code"]) == (8, "ComponentLostError", 8)
    command = re.search(r"`rm ([^`]+)`", told["next"])
    assert command
    (pattern,) = shlex.split(command[1])
    for path in Path("/").glob(pattern.lstrip("/")):
        path.unlink()
    done = whole_world.invoke(*_UPGRADE)
    assert done.status == 0, done.err
    assert re.search(r"pending:.*\btorch-npu\b", done.out)


def test_another_release_in_the_stack_may_be_pending(whole_world: World) -> None:
    path = whole_world.root / STACK
    text, count = re.subn(
        r'^torch-npu = ".*"$', 'torch-npu = "2.8.0.post9"', path.read_text(), flags=re.MULTILINE
    )
    assert count == 1
    path.write_text(text)
    done = whole_world.invoke(*_UPGRADE)
    assert done.status == 0, done.err
    assert re.search(r"pending:.*\btorch-npu\b", done.out)


def test_what_was_pending_before_may_stay_so_and_what_was_imported_may_not_go(whole_world: World) -> None:
    name = "Ascend-cann-nnal_8.5.0_linux-aarch64.run"
    (whole_world.root / name).write_bytes(makeself())
    taken = whole_world.invoke("vendor", name)
    assert taken.status == 0, taken.err
    assert whole_world.invoke(*_UPGRADE).status == 0
    before = _files(whole_world)
    assert any(name.encode() in content for content in before.values())
    for path in whole_world.store.glob("vendored/nnal/*"):
        path.unlink()
    ended = whole_world.invoke(*_UPGRADE)
    assert ended.status == 8, ended.err + ended.out
    assert "would lack nnal" in ended.err
    assert _files(whole_world) == before


@pytest.mark.parametrize(("asked", "times"), [((), 1), (("deep-ep",), 0)])
def test_what_was_built_on_request_is_proposed_to_be_built_again(
    tmp_path: Path, asked: tuple[str, ...], times: int
) -> None:
    none: dict[str, Any] = {
        "wheels": (),
        "sources": (),
        "payloads": (),
        "pending": (),
        "cell": {"deep_ep": "1"},
    }
    before = SimpleNamespace(**{**none, "sources": (SimpleNamespace(component="deep-ep"),)})
    lost = Pending(component="deep-ep", reason="github.com does not answer", supply="")
    new = SimpleNamespace(**{**none, "pending": (lost,)}, platform="aarch64")
    folder = SimpleNamespace(
        lock_before=lambda _cell: before,
        recipes={"deep-ep": SimpleNamespace(build=SimpleNamespace(pure=False))},
        lock_folder=lambda _cell: tmp_path,
    )
    cell = SimpleNamespace(name="one", words="--torch 2.8.0 --platform aarch64")
    with pytest.raises(ComponentLostError, match="would lack deep-ep") as caught:
        hold_complete(cast("Lock", new), asked, cast("ProjectFolder", folder), cast("Cell", cell))
    again = "`invoke wheelhouse --upgrade --torch 2.8.0 --platform aarch64 --build deep-ep` builds it again"
    assert caught.value.next_step.count(again) == times
