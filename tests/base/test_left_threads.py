"""Threads that a stopped run leaves behind."""

from __future__ import annotations

import threading

from ascend_wheelhouse.base import waiting


def test_a_thread_that_was_not_started_yet_when_the_run_was_stopped_is_not_waited_for() -> None:
    waiting.leave([threading.Thread(target=print)])
    waiting.end(70)
