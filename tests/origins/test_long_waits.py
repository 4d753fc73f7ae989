"""A server that asks for a long wait: one wait, cut short, and a word of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from index_server import Behaviour, FakeClock, Index, client, serving, status

from ascend_wheelhouse.base.events import Event, Note
from ascend_wheelhouse.cells.recipe import Recipes
from ascend_wheelhouse.make.fetcher import Fetcher
from ascend_wheelhouse.origins import faults
from ascend_wheelhouse.origins.http import Http
from ascend_wheelhouse.store.store import Store

_RECIPES: Recipes = {}


@pytest.fixture
def busy() -> Iterator[Index]:
    with serving() as index:
        yield index


@pytest.fixture
def patient(busy: Index) -> Iterator[tuple[Http, FakeClock, list[Event]]]:
    clock, told = FakeClock(), list[Event]()
    with client(busy, clock=clock) as http:
        http.tell = told.append
        yield http, clock, told


def _texts(told: list[Event]) -> list[str]:
    return [one.text for one in told if isinstance(one, Note)]


@pytest.mark.parametrize("answer", [status(429, Retry_After="3600"), status(503, Retry_After="3600")])
def test_a_host_that_asks_for_an_hour_is_waited_for_once(
    busy: Index, patient: tuple[Http, FakeClock, list[Event]], answer: Behaviour
) -> None:
    http, clock, told = patient
    for name in "abcde":
        busy.behave(name, *[answer] * 6)
        with pytest.raises(faults.OriginError) as caught:
            http.page(f"{busy.url}/{name}")
        assert "It asked for a wait of 3600 s" in caught.value.why
    assert clock.waits == [60.0]
    [text] = _texts(told)
    assert "asks for a wait of 3600 s: waiting 60 s" in text
    assert busy.url.partition("://")[2] in text


def test_what_several_wait_for_at_once_is_told_once(
    busy: Index, patient: tuple[Http, FakeClock, list[Event]], monkeypatch: pytest.MonkeyPatch
) -> None:
    http, clock, told = patient
    monkeypatch.setattr(clock, "monotonic", lambda: 0.0)
    for name in "abcd":
        busy.raw[f"/{name}"] = ("text/plain", b"here")
        busy.behave(name, status(429, Retry_After="30"))
        http.page(f"{busy.url}/{name}")
    assert clock.waits == [30.0] * 4
    assert len(_texts(told)) == 1


def test_a_short_wait_is_not_told(busy: Index, patient: tuple[Http, FakeClock, list[Event]]) -> None:
    http, clock, told = patient
    busy.raw["/a"] = ("text/plain", b"here")
    busy.behave("a", status(429, Retry_After="1"))
    http.page(f"{busy.url}/a")
    assert (clock.waits, told) == ([1.0], [])


def test_a_run_is_told_what_its_client_waits_for(busy: Index) -> None:
    told = list[Event]()
    busy.raw["/a"] = ("text/plain", b"here")
    busy.behave("a", status(503, Retry_After="20"))
    with client(busy) as http:
        Fetcher(recipes=_RECIPES, store=Store(), http=http, emit=told.append)
        http.page(f"{busy.url}/a")
    assert len(_texts(told)) == 1
