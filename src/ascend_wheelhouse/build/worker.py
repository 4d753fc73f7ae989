"""A build in a process of its own: unpacking and packing are Python, and so are the downloads beside them.

The order goes in on standard input, events and at last the wheels or the error come back on standard output, pickled:
both ends are this program. The process leads a group, so that one kill ends the build's commands with it, and it is
killed when its parent dies.

To start it costs as much as a small build. So a thread keeps the process of its last build for its next one; what a
build runs of its project are processes of their own, in the sandbox, and none of theirs is left in this one.
"""

from __future__ import annotations

import ctypes
import os
import pickle
import signal
import sys
import tempfile
import threading
import traceback
import weakref
from io import BufferedReader
from pathlib import Path
from typing import IO, Any

from ascend_wheelhouse.base.errors import BuildError, WheelhouseError
from ascend_wheelhouse.base.events import Emit, Event
from ascend_wheelhouse.base.process import StandingCommand
from ascend_wheelhouse.build.making import WorkOrder, make

_PR_SET_PDEATHSIG = 1
_TAIL = 800


class WorkerFailedError(BuildError):
    """The process of a build ended without an answer."""


class _Beside:
    """The process that the builds of one thread are done in, and what it was started with."""

    def __init__(self, around: object) -> None:
        self.around = around
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the process
        weakref.finalize(self, self.errors.close)
        self.process = StandingCommand([sys.executable, "-P", "-m", __name__], errors=self.errors)

    def forget(self) -> None:
        """Have nothing left of what it printed of the last build; the process writes on from there."""
        self.errors.seek(0)
        self.errors.truncate()

    def tail(self) -> str:
        """Return the last that it printed of this build."""
        self.errors.seek(0)
        return self.errors.read().decode(errors="replace")[-_TAIL:]


_of_thread = threading.local()


def _beside() -> _Beside:
    """Return the process of this thread; a new one where there is none, or where it has other variables."""
    around = (dict(os.environ), os.getcwd())  # noqa: PTH109 - a word to compare
    kept: _Beside | None = getattr(_of_thread, "beside", None)
    if kept is not None and not (kept.process.stands and kept.around == around):
        kept.process.end()
        kept = None
    if kept is None:
        _of_thread.beside = kept = _Beside(around)
    kept.forget()
    return kept


def make_beside(order: WorkOrder, emit: Emit) -> list[tuple[Path, str]]:
    """Do what `make` does, in another process, and raise what it raises.

    Raises:
        WorkerFailedError: The process was killed.
    """
    beside = _beside()
    try:
        with beside.process.asked() as (stdin, stdout):
            pickle.dump(order, stdin)
            stdin.flush()
            answer = _answer(stdout, emit)
        if not order.sandbox.sealed:  # what such a build left running goes with it
            beside.process.end()
    except (EOFError, BrokenPipeError, pickle.UnpicklingError) as error:
        raise WorkerFailedError(
            f"The process that built {order.job.component} ended without an answer.",
            why=beside.tail(),
            next_step="run the same command again; where it was killed, free memory before",
        ) from error
    if isinstance(answer, Exception):
        raise answer
    return answer


def _answer(stream: IO[bytes], emit: Emit) -> list[tuple[Path, str]] | Exception:
    """Return the wheels or the error; either leaves the process fit for another build."""
    while True:
        kind, content = pickle.load(stream)  # noqa: S301 - written by `main` below
        if kind == "event":
            emit(content)
        elif kind == "error":
            return again(*content)
        else:
            wheels: list[tuple[Path, str]] = content
            return wheels


def told(error: Exception) -> tuple[type[Exception], tuple[Any, ...], dict[str, Any]]:
    """Return an error as it travels: its class may be made from other words than its text."""
    if not isinstance(error, (WheelhouseError, OSError)):
        error.add_note("".join(traceback.format_exception(error)))
    args = error.args
    if isinstance(error, OSError) and error.filename is not None:  # which stands beside its words
        args = (error.errno, error.strerror, error.filename, None, error.filename2)
    return type(error), args, dict(vars(error))


def again(kind: type[Exception], args: tuple[Any, ...], state: dict[str, Any]) -> Exception:
    """Return an error from what `told` made of it."""
    error = kind.__new__(kind, *args)
    if not isinstance(error, OSError):  # that one takes apart what it is made of
        error.args = args
    vars(error).update(state)
    return error


def main(stdin: BufferedReader, stdout: IO[bytes]) -> None:
    """Do what each order says and answer, until there are no more."""

    def say(kind: str, content: object) -> None:
        pickle.dump((kind, content), stdout)
        stdout.flush()

    def tell(event: Event) -> None:
        say("event", event)

    while stdin.peek(1):
        order: WorkOrder = pickle.load(stdin)  # noqa: S301 - written by `make_beside`
        tempfile.tempdir = str(order.place)  # with which it goes, though this process is killed
        try:
            say("wheels", make(order, tell))
        except Exception as error:  # noqa: BLE001 - the parent raises it again
            say("error", told(error))


def _run() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what anything else prints must not come between
    with os.fdopen(os.dup(0), "rb") as orders:
        main(orders, answers)


if __name__ == "__main__":
    _run()
