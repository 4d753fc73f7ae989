"""What `--workers ssh` started on a host ends when it is told to, also while it asks a scheduler that says nothing."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from ascend_wheelhouse.farm.certificate import run_certificate

_PATIENT = "from ascend_wheelhouse.farm import far_side; far_side._CALL_SECONDS = 3600.0; far_side.main()"


@pytest.fixture
def silent_scheduler() -> Iterator[socket.socket]:
    """A port that takes connections, and says nothing."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening


def _hang_up(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.close()


@pytest.mark.parametrize(
    "stop",
    [
        lambda process: process.send_signal(signal.SIGTERM),
        lambda process: process.send_signal(signal.SIGHUP),
        _hang_up,
    ],
    ids=["terminated", "hung up on", "its master gone"],
)
def test_a_stop_is_heard_while_the_scheduler_is_asked(
    silent_scheduler: socket.socket, stop: Callable[[subprocess.Popen[str]], None]
) -> None:
    order = {
        "role": "worker",
        "certificate": run_certificate(),
        "environment": {},
        "scheduler": f"tls://127.0.0.1:{silent_scheduler.getsockname()[1]}",
        "name": "one",
        "builds": 1,
    }
    with subprocess.Popen(
        [sys.executable, "-c", _PATIENT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdin is not None
            process.stdin.write(json.dumps(order) + "\n")
            process.stdin.flush()
            caller, _ = silent_scheduler.accept()
            with caller:
                caller.recv(1)  # it has begun to speak TLS
                stop(process)
                assert process.wait(120) == 0
        finally:
            process.kill()
