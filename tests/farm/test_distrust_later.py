"""A certificate that runs out while a farm is at work is told as what it is, once a connection is made anew."""

from __future__ import annotations

import asyncio

import pytest

from ascend_wheelhouse.base.events import Event, Note
from ascend_wheelhouse.farm import connection
from ascend_wheelhouse.farm import joining as joins
from ascend_wheelhouse.farm.choice import FarmChoice
from ascend_wheelhouse.farm.errors import SchedulerUntrustedError
from ascend_wheelhouse.farm.joining import Joining, join
from ascend_wheelhouse.farm.labels import Labels

_ADDRESS = "tls://127.0.0.1:9"


def _refused(*_words: object, **_options: object) -> None:
    raise SchedulerUntrustedError(_ADDRESS, "certificate has expired")


def test_a_run_whose_certificate_has_run_out_is_not_told_that_the_scheduler_was_stopped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection, "connect", _refused)
    monkeypatch.setattr(connection, "BACK_SECONDS", 0.1)
    with pytest.raises(SchedulerUntrustedError, match="has expired"):
        connection.connect_again(_ADDRESS, FarmChoice(scheduler=_ADDRESS))


class _OverError(Exception):
    """The test has seen enough."""


def test_a_worker_that_gets_in_no_more_says_why_and_asks_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its first connection holds; each later one is refused."""
    told: list[Event] = []
    tries: list[None] = []

    async def serve(*_words: object) -> None:
        tries.append(None)
        if len(tries) == 2:
            raise OSError
        if len(tries) == 3:
            raise _OverError

    async def reach(*_words: object) -> None:
        if tries:
            _refused()

    monkeypatch.setattr(joins, "_serve", serve)
    monkeypatch.setattr(joins, "reach", reach)
    monkeypatch.setattr(joins, "_PAUSES", (0.0,))
    joining = Joining(choice=FarmChoice(scheduler=_ADDRESS), labels=Labels(version="1"), name="anna")
    with pytest.raises(_OverError):
        asyncio.run(join(joining, told.append))
    (said,) = [event.text for event in told if isinstance(event, Note) and "do not trust" in event.text]
    assert "certificate has expired" in said
