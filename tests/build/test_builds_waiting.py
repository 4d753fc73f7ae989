from __future__ import annotations

import threading
from pathlib import Path

import pytest
from making_builds import cell
from tiny import tiny_job

from ascend_wheelhouse.base.events import Event, Note
from ascend_wheelhouse.build.builder import Builder
from ascend_wheelhouse.build.sandbox import find_sandbox
from ascend_wheelhouse.build.toolchain import find_toolchain


def test_a_build_that_waits_for_the_same_build_of_another_run_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may take an hour, and a pipe or a log showed nothing of why."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1] / "support"))
    job, store = tiny_job(tmp_path, cell({"torch": "2.8.0"}))
    said: list[Event] = []
    waits = threading.Event()

    def emit(event: Event) -> None:
        said.append(event)
        if isinstance(event, Note):
            waits.set()

    builder, tools = Builder(store=store, sandbox=find_sandbox(), emit=emit), find_toolchain({})
    second = threading.Thread(target=builder.build, args=(job, tools))
    with store.lock(f"build-{builder.key(job, tools)}"):
        second.start()
        assert waits.wait(90)
    second.join(60)
    text = "waiting: another run builds tiny from the same sources"
    assert [event for event in said if isinstance(event, Note)] == [Note(text=text, level="warning")]
