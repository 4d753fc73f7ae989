"""A scheduler that is away, at whatever step of a run it goes: the run waits for it and loses nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from distributed.security import Security
from farm_rig import Rig, until

from ascend_wheelhouse.base.events import Event, Note
from ascend_wheelhouse.farm import connection
from ascend_wheelhouse.farm.choice import FarmChoice
from ascend_wheelhouse.farm.connection import connect_again, workers_of
from ascend_wheelhouse.farm.errors import SchedulerLostError
from ascend_wheelhouse.farm.link import Link
from ascend_wheelhouse.farm.telling import packed
from ascend_wheelhouse.store.store import Store

pytest_plugins = ["farm_fixtures"]


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def link(one_scheduler: Rig, tmp_path: Path, told: list[str]) -> Iterator[Link]:
    def emit(event: Event) -> None:
        if isinstance(event, Note):
            told.append(event.text)

    made = Link(
        one_scheduler.address, FarmChoice(scheduler=one_scheduler.address), Store(tmp_path / "store"), emit
    )
    yield made
    made.close()


def test_workers_are_not_told_from_memory_while_the_scheduler_is_away(one_scheduler: Rig, link: Link) -> None:
    assert workers_of(link.client) == {}
    one_scheduler.kill("scheduler")
    with pytest.raises(OSError, match=r".+"):
        workers_of(link.client)


def test_workers_of_a_closed_connection_are_those_of_a_scheduler_that_is_away(link: Link) -> None:
    link.client.close()
    with pytest.raises(ConnectionError, match="is away"):
        workers_of(link.client)


def test_who_asks_for_workers_waits_for_a_scheduler_that_comes_back(
    one_scheduler: Rig, link: Link, told: list[str]
) -> None:
    one_scheduler.worker("anna")
    assert [name for name, _, _ in link.workers().values()] == ["anna"]
    one_scheduler.kill("scheduler")
    found: list[dict[str, object]] = []
    asking = threading.Thread(target=lambda: found.append(dict(link.workers())))
    asking.start()
    until(lambda: any("went away; waiting for it" in text for text in told), "it is seen that it went away")
    one_scheduler.scheduler()
    asking.join(60)
    assert len(found) == 1
    assert any("is back" in text for text in told)


def _said(link: Link) -> bool:
    """Say a word of a worker: the subscription goes another way, and may come after it."""
    link.client.log_event("topic", packed(Note(text="hello"), "anna"))
    return True


def test_a_build_that_is_listened_to_while_the_connection_is_closed_is_heard_once_it_is_back(
    link: Link, told: list[str]
) -> None:
    lost = link.client
    lost.close()
    heard: list[Event] = []
    with link.listening("topic", "server", heard.append):
        link.restore(lost)
        until(lambda: _said(link) and heard, "the worker's word comes")
        link.client.close()
    assert set(heard) == {Note(text="anna: hello")}
    assert sum("is back" in text for text in told) == 1


@pytest.mark.parametrize(("own", "first"), [(None, "start it, then "), (Security(), "the same command ")])
def test_who_started_no_scheduler_is_not_told_to_start_it(
    monkeypatch: pytest.MonkeyPatch, own: Security | None, first: str
) -> None:
    monkeypatch.setattr(connection, "BACK_SECONDS", 0.0)
    with pytest.raises(SchedulerLostError) as caught:
        connect_again("tcp://127.0.0.1:9", FarmChoice(own=own))
    assert caught.value.next_step.startswith(first)
