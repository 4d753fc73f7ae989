"""The one place that decides how a run looks: a live board, plain lines, or JSON; the core only emits events.

Nothing here imports rich until the first stage starts on a terminal: a run with nothing to do stays as quick as
its checks.
"""

from __future__ import annotations

import atexit
import gc
import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Literal, Protocol, TextIO

from ascend_wheelhouse.base import interrupts, process, waiting
from ascend_wheelhouse.base.cell_words import own_words
from ascend_wheelhouse.base.clock import SystemClock
from ascend_wheelhouse.base.errors import UnexpectedError, WheelhouseError, gravest, unexpected
from ascend_wheelhouse.base.events import Emit, Event, JobFinished, Note, Worked
from ascend_wheelhouse.console import lines
from ascend_wheelhouse.console.answers import (
    aside,
    line,
    lose,
    print_error,
    print_json,
    prose,
    telling_system,
)
from ascend_wheelhouse.console.stopping import RunStopped, stopping_on_signals
from ascend_wheelhouse.console.table import records, table
from ascend_wheelhouse.node.errors import UNKNOWN_CELL

__all__ = [
    "Mode",
    "aside",
    "be_verbose",
    "end_with",
    "has_board",
    "is_verbose",
    "line",
    "main_guard",
    "print_error",
    "print_json",
    "prose",
    "records",
    "reporter",
    "table",
    "telling_system",
]

Mode = Literal["auto", "plain", "json"]
_spoken = {"verbose": False}
_CLOCK = SystemClock()


class _Output(Protocol):
    def __call__(self, event: Event, /) -> None: ...

    def close(self) -> None: ...


class _Terminal:
    """Notes as they come; the board from the first stage or job on, with what was held back until then."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._held: list[Event] = []
        self._board: _Output | None = None

    def __call__(self, event: Event) -> None:
        with self._lock:
            board = self._board or self._open(event)
        if board is not None:
            board(event)

    def _open(self, event: Event) -> _Output | None:
        if isinstance(event, Note):
            self._stream.write(f"{lines.note_line(event, self._stream)}\n")
            return None
        if isinstance(event, JobFinished) and event.outcome == "cached":
            self._held.append(event)
            return None
        from ascend_wheelhouse.console.board import Board  # noqa: PLC0415 - rich costs 0.1 s, most runs need none

        self._board = Board(self._stream)
        for held in self._held:
            self._board(held)
        return self._board

    def close(self) -> None:
        if self._board is not None:
            self._board.close()


@contextmanager
def reporter(mode: Mode, *, stream: TextIO | None = None) -> Iterator[Emit]:
    """Yield the `Emit` of a run; any thread may call it.

    Args:
        mode: `auto` takes the board on a terminal and plain lines elsewhere.
        stream: Where to; standard output when None. A command whose answer is one JSON document on standard
            output reports to standard error.
    """
    output = _output(mode, sys.stdout if stream is None else stream)
    reader_left = threading.Event()

    def emit(event: Event) -> None:
        if reader_left.is_set() or isinstance(event, Worked):
            return
        if process.stopping() and isinstance(event, JobFinished) and event.outcome == "failed":
            event = JobFinished(job=event.job, outcome="skipped")
        try:
            output(event)
        except BrokenPipeError:
            reader_left.set()
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    try:
        yield emit
    except KeyboardInterrupt:
        if reader_left.is_set():
            raise BrokenPipeError from None
        raise
    finally:
        output.close()


def be_verbose(*, wanted: bool) -> None:
    """Have every later run in this process tell of each file in a pipe, or not."""
    _spoken["verbose"] = wanted


def is_verbose() -> bool:
    """Tell whether this process was asked to tell of each file."""
    return _spoken["verbose"]


def has_board(stream: TextIO) -> bool:
    """Tell whether a run shows its live board on a stream, and not a line a stage."""
    return stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def _output(mode: Mode, stream: TextIO) -> _Output:
    if mode == "json":
        return lines.JsonLines(stream)
    if mode == "auto" and has_board(stream):
        return _Terminal(stream)
    return lines.PlainLines(stream, verbose=_spoken["verbose"])


def end_with(errors: Sequence[WheelhouseError], *, json: bool = False) -> None:
    """End a command whose answer is printed and that met errors; do nothing where it met none.

    Raises:
        WheelhouseError: The last error, after the others are printed.
        SystemExit: With `json`, whose one document has the errors: with the gravest code.
    """
    if errors and json:
        raise SystemExit(gravest(error.exit_code for error in errors))
    for error in errors[:-1]:
        print_error(error)
    for error in errors[-1:]:
        raise error


def _tell_stopped(code: int, *, json: bool) -> None:
    """Say that the run was stopped; what did it may have ended the reader, or the terminal, as well."""
    try:
        sys.stderr.write(interrupts.TOLD)
        sys.stderr.flush()
    except OSError:
        lose(sys.stderr)
    if not json:
        return
    try:
        print_json(interrupts.answer(code), indent=None)
        sys.stdout.flush()
    except OSError:
        lose(sys.stdout)


def _open_closed() -> None:
    """Have what is printed go nowhere where the caller closed the stream (`>&-`): Python has None in its place then."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8"))


@contextmanager
def main_guard(*, json: bool = False, words: Mapping[str, str] | None = None) -> Iterator[None]:
    """Turn what a user can cause into a text and an exit code; as a decorator or around a block.

    Args:
        json: Print errors as JSON too.
        words: The words that name the cell of the command, for the commands that errors propose.

    Raises:
        SystemExit: With the error's own code, 70 for a fault of this tool, 130 after Ctrl-C, 143 after SIGTERM,
            129 after SIGHUP, 141 when a reader left.
    """
    _open_closed()
    atexit.register(gc.freeze)  # a process that ends need not be searched for cycles, which takes 0.1 s
    try:
        with telling_system(json=json):
            with stopping_on_signals():
                yield
            sys.stdout.flush()
    except WheelhouseError as error:
        error.for_cell(own_words(words) if words else UNKNOWN_CELL)
        print_error(error, json=json)
        raise SystemExit(error.exit_code) from None
    except KeyboardInterrupt as error:
        code = error.code if isinstance(error, RunStopped) else interrupts.CODES[signal.SIGINT]
        _tell_stopped(code, json=json)
        waiting.end(code)
        raise SystemExit(code) from None
    except Exception as error:  # noqa: BLE001 - the last line of defence: a text and a code of its own, whatever it is
        print_error(unexpected(error), json=json)
        raise SystemExit(UnexpectedError.exit_code) from None
