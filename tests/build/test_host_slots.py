"""Runs side by side in one process, as the cells of a matrix are, take their compilers' slots from one supply."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from ascend_wheelhouse.build import host_slots
from ascend_wheelhouse.build.host_slots import HostShare, HostSlots


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> HostSlots:
    """A host of four cores with 8,000 MiB for compilers."""
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(4)))
    monkeypatch.setattr(host_slots, "host_memory_mb", lambda: 8000)
    return HostSlots()


@contextmanager
def beside(host: HostSlots, per_job_mb: int) -> Iterator[tuple[threading.Event, list[HostShare]]]:
    """Join in another thread; it has left again when the block is over."""
    joined, shares = threading.Event(), list[HostShare]()

    def join() -> None:
        with host.joined(per_job_mb) as share:
            shares.append(share)
            joined.set()

    thread = threading.Thread(target=join)
    thread.start()
    try:
        yield joined, shares
    finally:
        thread.join(60)


def test_slots_are_as_many_as_cores_and_memory_allow(host: HostSlots) -> None:
    with host.joined(1000) as share:
        assert share.server.slots.jobs == 4
    with host.joined(3000) as share:
        assert share.server.slots.jobs == 2


def test_runs_side_by_side_share_one_supply(host: HostSlots) -> None:
    with host.joined(1000) as mine, beside(host, 500) as (joined, shares):
        assert joined.wait(60)
        assert shares[0].server is mine.server


def test_a_run_with_hungrier_compilers_waits_for_the_end_of_the_others(host: HostSlots) -> None:
    with host.joined(1000) as mine:
        waiting = beside(host, 4000)
        joined, shares = waiting.__enter__()
        assert not joined.wait(0.2)
    waiting.__exit__(None, None, None)
    assert joined.is_set()
    assert shares[0].server is not mine.server
    assert shares[0].server.slots.jobs == 2


def test_nothing_is_left_when_the_last_one_leaves(host: HostSlots) -> None:
    paths = []

    def fail() -> None:
        with host.joined(0) as share:
            paths.append(share.server.slots.path)
            raise ValueError("failed")

    with pytest.raises(ValueError, match="failed"):
        fail()
    assert not paths[0].exists()
    with host.joined(0) as share:
        assert share.server.slots.path.exists()
