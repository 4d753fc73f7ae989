"""Fixtures: an index on the loopback, a store, a clock that never waits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from index_server import FakeClock, Index, client, serving

from ascend_wheelhouse.origins.http import Http
from ascend_wheelhouse.store.store import Store


@pytest.fixture
def index() -> Iterator[Index]:
    with serving() as running:
        yield running


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def http(index: Index, clock: FakeClock) -> Iterator[Http]:
    with client(index, clock=clock) as http:
        yield http


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")
