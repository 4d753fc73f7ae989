"""Waiting for some files while others are still being fetched."""

from __future__ import annotations

import threading

import pytest

from ascend_wheelhouse.arrivals import Arrivals
from ascend_wheelhouse.events import Event, JobFinished, Outcome, silent


def finished(name: str, outcome: Outcome = "done") -> JobFinished:
    return JobFinished(job=name, outcome=outcome)


def test_the_wait_ends_with_the_last_awaited_file_and_every_event_is_passed_on() -> None:
    seen: list[Event] = []
    arrivals = Arrivals(["a.whl", "b.whl"], seen.append)
    answers: list[bool] = []
    waiting = threading.Thread(target=lambda: answers.append(arrivals.wait()))
    waiting.start()
    told = [finished("other.whl"), finished("a.whl"), finished("b.whl", "cached")]
    for event in told:
        assert not answers
        arrivals(event)
    waiting.join(10)
    assert answers == [True]
    assert seen == told


@pytest.mark.parametrize("event", [finished("a.whl", "failed"), finished("other.whl")])
def test_who_waits_is_let_go_when_nobody_brings_the_file(event: JobFinished) -> None:
    arrivals = Arrivals(["a.whl"], silent)
    arrivals(event)
    arrivals.end()
    assert not arrivals.wait()


def test_nothing_awaited_is_here_already() -> None:
    assert Arrivals([], silent).wait()


def test_files_are_named_as_they_come_until_the_end() -> None:
    arrivals = Arrivals([], silent)
    for name in ("a.whl", "b.whl"):
        arrivals(finished(name))
    arrivals(finished("broken.whl", "failed"))
    arrivals.end()
    assert list(arrivals.names()) == ["a.whl", "b.whl"]
