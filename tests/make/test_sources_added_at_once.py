"""Runs that change one lock at once: each keeps what another wrote meanwhile, whatever it read before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from index_server import client, serving
from small_world import World, found, wheel
from test_built_beside import furnish

from ascend_wheelhouse.base.events import Event, Note
from ascend_wheelhouse.cells.request import Request
from ascend_wheelhouse.cells.target import Target
from ascend_wheelhouse.locks.lock import Lock
from ascend_wheelhouse.make.asked_cell import cell_of
from ascend_wheelhouse.make.building import Building, building_of
from ascend_wheelhouse.make.fetcher import Fetcher
from ascend_wheelhouse.make.late_sources import with_sources
from ascend_wheelhouse.make.moved_lock import moved_lock
from ascend_wheelhouse.make.options import LockChoice
from ascend_wheelhouse.make.project_folder import ProjectFolder
from ascend_wheelhouse.store.store import Store


@dataclass(frozen=True)
class _Bench:
    """A world with its lock, and what changes that."""

    world: World
    folder: ProjectFolder
    building: Building
    told: list[Event]

    @property
    def committed(self) -> Lock:
        lock = self.folder.committed_lock(self.building.cell)
        assert lock is not None
        return lock

    def add(self, lock: Lock, *names: str) -> Lock:
        return with_sources(lock, frozenset(names), self.folder, self.building)

    def move(self, lock: Lock, name: str) -> Lock:
        choice = LockChoice(request=_REQUEST, packages=frozenset({name}), resolver="uv")
        return moved_lock(choice, self.folder, self.building, lock)


_REQUEST = Request(torch="2.8.0", target=Target(machine="aarch64", npu="a3"))


@pytest.fixture
def lock_bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[_Bench]:
    with serving() as index, client(index, retries=0) as http:
        world = found(tmp_path, index)
        furnish(world)
        for name, value in world.env.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("WHEELHOUSE_MIRRORS", f"https://hub.test/=file://{tmp_path}/servers/")
        done = world.invoke("lock", "--resolver", "uv", "--platform", "aarch64")
        assert done.status == 0, done.err
        folder, told = ProjectFolder.load(world.root), list[Event]()
        fetcher = Fetcher(recipes=folder.recipes, store=Store(world.store), http=http, emit=told.append)
        cell = cell_of(_REQUEST, folder, http)
        yield _Bench(world=world, folder=folder, building=building_of(cell, folder, fetcher), told=told)


def _adds_npu(bench: _Bench, lock: Lock) -> Lock:
    return bench.add(lock, "torch-npu")


def _adds_both(bench: _Bench, lock: Lock) -> Lock:
    return bench.add(lock, "torch-npu", "triton-ascend")


def _moves_numpy(bench: _Bench, lock: Lock) -> Lock:
    bench.world.index.offer("numpy-2.1-py3-none-any.whl", wheel("numpy", "2.1"))
    return bench.move(lock, "numpy")


@pytest.mark.parametrize("second", [_adds_npu, _adds_both, _moves_numpy])
def test_what_another_run_added_meanwhile_stays(
    lock_bench: _Bench, second: Callable[[_Bench, Lock], Lock]
) -> None:
    before = lock_bench.committed
    lock_bench.add(before, "triton-ascend")
    after = second(lock_bench, before)
    assert lock_bench.committed.sources == after.sources
    built = {one.component for one in after.sources}
    assert built == {"sglang", "triton-ascend"} | (set() if second is _moves_numpy else {"torch-npu"})
    assert len(after.sources) == len(built)
    numpy = next(one.version for one in after.wheels if one.name == "numpy")
    assert numpy == ("2.1" if second is _moves_numpy else "2.0")
    assert any(isinstance(one, Note) and "changed meanwhile" in one.text for one in lock_bench.told)
