"""A signal that comes where Python lets no exception out, as while it imports: the run ends all the same."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

_LOST = """
import os, sys, time, weakref
from ascend_wheelhouse.base import process
from ascend_wheelhouse.console import main_guard

class Lock:
    pass

def forgotten(_):
    os.kill(os.getpid(), int(sys.argv[1]))
    time.sleep(0.01)

with main_guard():
    lock = Lock()
    kept = weakref.ref(lock, forgotten)
    del lock
    {then}
print("went on")
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize(
    "then",
    ["for _ in range(300): time.sleep(0.1)", "process.run(['sh', '-c', 'sleep 30'])"],
    ids=["waiting", "a command that was ended"],
)
def test_a_signal_in_the_callback_of_a_weak_reference_ends_the_run(number: int, code: int, then: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _LOST.format(then=then), str(int(number))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert done.stderr == "\nStopped. What was fetched is kept; the next run goes on from there.\n"
