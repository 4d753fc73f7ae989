"""What a command prints beside its events: lines of its answer, one JSON document, its error."""

from __future__ import annotations

import json as json_module
import os
import shutil
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

from ascend_wheelhouse.base.errors import WheelhouseError, file_trouble
from ascend_wheelhouse.base.started import as_started
from ascend_wheelhouse.console.words import coloured, shown

_PIPE_CLOSED = 141


def line(text: str = "") -> None:
    """Print one line of an answer to standard output."""
    sys.stdout.write(f"{shown(text, sys.stdout)}\n")


def aside(*lines: str) -> None:
    """Print lines that are no part of an answer to standard error."""
    sys.stderr.write("".join(f"{shown(text, sys.stderr)}\n" for text in lines))


def prose(text: str) -> None:
    """Print sentences to standard output, folded to the window; in a pipe they stay on one line."""
    line(_folded(text, sys.stdout))


def print_json(value: object, *, indent: int | None = 2) -> None:
    """Print a read command's answer: one JSON document with sorted keys on standard output.

    Args:
        value: What `json` can write.
        indent: None puts it on one line, for the last line of a `--json` run.
    """
    sys.stdout.write(f"{as_started(json_module.dumps(value, indent=indent, sort_keys=True))}\n")


def print_error(error: WheelhouseError, *, json: bool = False) -> None:
    """Print an error as text to standard error and, with `json`, as one line to standard output too."""
    try:
        if json:
            print_json(error.as_dict(), indent=None)
        sys.stdout.flush()
    except OSError:
        lose(sys.stdout)
    red, reset = ("\x1b[31m", "\x1b[0m") if coloured(sys.stderr) else ("", "")
    following = f"Next: {error.next_step}" if error.next_step else ""
    told, why = (_folded(text, sys.stderr) for text in (f"Error: {error.what}", error.why))
    head, *rest = (shown(part, sys.stderr) for part in (told, why, following))
    try:
        sys.stderr.write("\n\n".join(filter(None, [f"{red}{head}{reset}", *rest])) + "\n")
    except OSError:
        lose(sys.stderr)


def lose(stream: TextIO) -> None:
    """Have nothing more go to a stream whose reader left, or whose disk is full."""
    with suppress(OSError, ValueError):  # one in memory has no number
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


@contextmanager
def telling_system(*, json: bool) -> Iterator[None]:
    """Turn what the system refuses, such as to print on a full disk, into a text and an exit code.

    Args:
        json: Print errors as JSON too.

    Raises:
        SystemExit: With 10, and 141 when the reader of standard output left.
    """
    try:
        yield
    except BrokenPipeError:
        lose(sys.stdout)
        raise SystemExit(_PIPE_CLOSED) from None
    except OSError as error:
        print_error(told := file_trouble(error), json=json)
        raise SystemExit(told.exit_code) from None


def _folded(text: str, stream: TextIO) -> str:
    """Fold prose to the window; the next command is never folded, so that it can be copied."""
    if not stream.isatty():
        return text
    width = shutil.get_terminal_size().columns
    return "\n".join(textwrap.fill(row, width, break_on_hyphens=False) for row in text.splitlines())
