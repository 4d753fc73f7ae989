"""A build in a process of its own: unpacking and packing are Python, and so are the downloads beside them.

The order goes in on standard input, events and at last the wheels or the error come back on standard output, pickled:
both ends are this program. The process leads a group, so that one kill ends the build's commands with it, and it is
killed when its parent dies.
"""

from __future__ import annotations

import ctypes
import os
import pickle
import signal
import sys
import traceback
from pathlib import Path
from typing import IO, Any

from ascend_wheelhouse.base.errors import BuildError, WheelhouseError
from ascend_wheelhouse.base.events import Emit, Event
from ascend_wheelhouse.base.process import piped
from ascend_wheelhouse.base.scratch import scratch
from ascend_wheelhouse.build.making import WorkOrder, make

_PR_SET_PDEATHSIG = 1
_TAIL = 800


class WorkerFailedError(BuildError):
    """The process of a build ended without an answer."""


def make_beside(order: WorkOrder, emit: Emit) -> list[tuple[Path, str]]:
    """Do what `make` does, in another process, and raise what it raises.

    Raises:
        WorkerFailedError: The process was killed.
    """
    command = [sys.executable, "-P", "-m", __name__]
    with scratch() as folder, (folder / "errors").open("w+b") as errors:
        try:
            with piped(command, own_group=True, errors=errors) as (stdin, stdout):
                pickle.dump(order, stdin)
                stdin.close()
                return _answer(stdout, emit)
        except (EOFError, BrokenPipeError, pickle.UnpicklingError) as error:
            errors.seek(0)
            raise WorkerFailedError(
                f"The process that built {order.job.component} ended without an answer.",
                why=errors.read().decode(errors="replace")[-_TAIL:],
                next_step="run the same command again; where it was killed, free memory before",
            ) from error


def _answer(stream: IO[bytes], emit: Emit) -> list[tuple[Path, str]]:
    while True:
        kind, content = pickle.load(stream)  # noqa: S301 - written by `main` below
        if kind == "event":
            emit(content)
        elif kind == "error":
            raise again(*content)
        else:
            wheels: list[tuple[Path, str]] = content
            return wheels


def told(error: Exception) -> tuple[type[Exception], tuple[Any, ...], dict[str, Any]]:
    """Return an error as it travels: its class may be made from other words than its text."""
    if not isinstance(error, (WheelhouseError, OSError)):
        error.add_note("".join(traceback.format_exception(error)))
    return type(error), error.args, dict(vars(error))


def again(kind: type[Exception], args: tuple[Any, ...], state: dict[str, Any]) -> Exception:
    """Return an error from what `told` made of it."""
    error = kind.__new__(kind, *args)
    error.args = args
    vars(error).update(state)
    return error


def main(stdin: IO[bytes], stdout: IO[bytes]) -> None:
    """Do what the order says and answer."""
    order: WorkOrder = pickle.load(stdin)  # noqa: S301 - written by `make_beside`

    def say(kind: str, content: object) -> None:
        pickle.dump((kind, content), stdout)
        stdout.flush()

    def tell(event: Event) -> None:
        say("event", event)

    try:
        say("wheels", make(order, tell))
    except Exception as error:  # noqa: BLE001 - the parent raises it again
        say("error", told(error))


def _run() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what anything else prints must not come between
    main(sys.stdin.buffer, answers)


if __name__ == "__main__":
    _run()
