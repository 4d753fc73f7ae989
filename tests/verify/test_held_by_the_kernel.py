"""Processes that no signal ends, as in a call into a driver that does not come back: nobody waits for them for ever."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest
from environments import make_environment, manifest, probe, scripted_probe, setting

from ascend_wheelhouse.node import supervise
from ascend_wheelhouse.node.serving.server_process import LeftBehindError, Server, ServerPlan, free_port
from ascend_wheelhouse.node.verify import runner

SLEEPING = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(90)"


@pytest.fixture(autouse=True)
def _no_kill_gets_through(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until the guardian's own: the kernel lets go late."""
    kill = os.kill

    def held(pid: int, number: int) -> None:
        if number != signal.SIGKILL:
            kill(pid, number)

    monkeypatch.setattr(os, "kill", held)
    monkeypatch.setattr(supervise, "PATIENCE", 1.0)


def test_a_probe_that_is_held_has_its_verdict_and_the_run_goes_on(tmp_path: Path) -> None:
    node = scripted_probe(tmp_path, "held", "import time\ncontext.doing('a call')\ntime.sleep(90)")
    made = setting(make_environment(tmp_path / "e"), tmp_path / "run", manifest({}), node=node)
    began = time.monotonic()
    result = runner.run_probe(probe("held", seconds=3), made)
    assert time.monotonic() - began < 60
    assert result.verdict == "timed-out"
    assert result.evidence.startswith("no answer within 3 s while it was at: a call; the kernel holds python")


def test_a_server_that_is_held_is_left_behind(tmp_path: Path) -> None:
    plan = ServerPlan(
        words=[sys.executable, "-I", "-c", SLEEPING],
        environment=os.environ,
        port=free_port(),
        folder=tmp_path,
        stop_seconds=2,
    )
    began = time.monotonic()
    with Server(plan) as server:
        time.sleep(1)
        with pytest.raises(LeftBehindError, match=r"^the kernel holds the server, which no signal ends; "):
            server.stop()
    assert time.monotonic() - began < 60
