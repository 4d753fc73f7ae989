"""A signal that Python lets out nowhere, as while it imports, or does not look at: the run ends all the same."""

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


_UNHEARD = """
import queue, signal, sys, threading, time
from ascend_wheelhouse.console import main_guard

def send():
    time.sleep(0.3)
    signal.pthread_kill(threading.get_ident(), int(sys.argv[1]))

with main_guard():
    threading.Thread(target=send).start()
    queue.SimpleQueue().get()
"""


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_that_is_noted_while_the_run_waits_for_a_thread_ends_it(number: int, code: int) -> None:
    """As one that comes between the last look at signals and the wait, which no signal of a test can be held to."""
    words = [sys.executable, "-c", _UNHEARD, str(int(number))]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=30)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr == "\nStopped. What was fetched is kept; the next run goes on from there.\n"


_OTHERS = """
import os, signal, time
from ascend_wheelhouse.console import main_guard

came = []
signal.signal(signal.SIGUSR1, lambda number, _: came.append(number))
with main_guard():
    os.kill(os.getpid(), signal.SIGUSR1)
    time.sleep(0.5)
print(len(came), signal.set_wakeup_fd(-1))
"""


def test_other_signals_come_once() -> None:
    done = subprocess.run([sys.executable, "-c", _OTHERS], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "1 -1\n"), done.stderr
