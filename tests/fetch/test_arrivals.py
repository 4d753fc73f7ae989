"""Waiting for some files while others are still being fetched."""

from __future__ import annotations

import threading

import pytest

from ascend_wheelhouse.base.events import Event, JobFinished, Outcome, silent
from ascend_wheelhouse.fetch.arrivals import Arrivals


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
    waiting.join(60)
    assert answers == [True]
    assert seen == told


@pytest.mark.parametrize("event", [finished("a.whl", "failed"), finished("other.whl")])
def test_who_waits_is_let_go_when_nobody_brings_the_file(event: JobFinished) -> None:
    with Arrivals(["a.whl"], silent) as arrivals:
        arrivals(event)
    assert not arrivals.wait()


def test_nothing_awaited_is_here_already() -> None:
    assert Arrivals([], silent).wait()


def test_files_are_named_as_they_come_until_the_end() -> None:
    with Arrivals([], silent) as arrivals:
        for name in ("a.whl", "b.whl"):
            arrivals(finished(name))
        arrivals(finished("broken.whl", "failed"))
    assert list(arrivals.names()) == ["a.whl", "b.whl"]


def test_what_need_not_hurry_begins_with_the_first_file_or_with_the_end() -> None:
    first = Arrivals(["a.whl", "b.whl"], silent)
    first(finished("b.whl"))
    assert first.wait_for_first()
    with Arrivals([], silent) as nothing:
        pass
    assert nothing.wait_for_first()


def test_what_need_not_hurry_is_left_out_when_fetching_failed() -> None:
    failed = Arrivals(["a.whl"], silent)
    with pytest.raises(OSError, match="line"), failed:
        raise OSError("the line is down")
    assert not failed.wait_for_first()
