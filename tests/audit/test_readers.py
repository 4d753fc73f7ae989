"""The processes that read wheels: they end with the audit, even where it is killed."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures.process import _threads_wakeups

import pytest

from ascend_wheelhouse.audit.readers import Readers, end_with

READER = """
import sys, time
from {module} import end_with
end_with(int(sys.argv[1]))
print("on", flush=True)
time.sleep(600)
"""


def reader(pid: int) -> subprocess.Popen[str]:
    """Start a process that ends with another."""
    code = READER.format(module=end_with.__module__)
    return subprocess.Popen([sys.executable, "-c", code, str(pid)], stdout=subprocess.PIPE, text=True)


def test_a_reader_ends_when_the_audit_was_killed() -> None:
    with subprocess.Popen(["sleep", "600"]) as audit, reader(audit.pid) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "on\n"
        assert process.poll() is None
        audit.kill()
        audit.wait()
        assert process.wait(120) == 1


def test_a_reader_that_comes_too_late_ends_at_once() -> None:
    with subprocess.Popen(["true"]) as gone:
        gone.wait()
    with reader(gone.pid) as process:
        assert process.wait(120) == 1


def failing(readers: Readers) -> None:
    """Fail while the processes are there."""
    with readers.joined():
        readers.start()
        raise ZeroDivisionError


def test_readers_of_a_run_that_failed_are_gone_when_it_says_so() -> None:
    """A pool that closes while Python ends may be told to wake up just then, which writes a traceback."""
    with pytest.raises(ZeroDivisionError):
        failing(Readers())
    assert not [thread for thread in [*_threads_wakeups] if thread.is_alive()]
