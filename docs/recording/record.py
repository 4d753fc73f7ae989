"""Records a terminal session as asciinema's cast (version 2), by running its commands: `python record.py --help`.

Each line of a file is typed into a terminal of 80 columns and run there by `sh`. What the commands print is kept as it
comes; only pauses are shortened. The terminal belongs to this script: nothing of the caller's shell is in the cast.
"""

from __future__ import annotations

import argparse
import codecs
import fcntl
import json
import os
import pty
import struct
import subprocess
import termios
import time
from collections.abc import Iterator
from pathlib import Path

COLUMNS, ROWS = 80, 28
PROMPT = "\x1b[32m$\x1b[0m "
_KEY = 0.045
_PAUSE = 0.5
_REST = 2.0
_CHUNK = 1 << 16

Event = tuple[float, str]


def ran(command: str, environment: dict[str, str]) -> Iterator[Event]:
    """Run a command in a terminal and yield what it prints, with the seconds since the event before."""
    own, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    last = time.monotonic()
    child = subprocess.Popen(
        ["/bin/sh", "-c", command],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment,
        start_new_session=True,
    )
    os.close(theirs)
    while data := _read(own):
        now = time.monotonic()
        yield now - last, decoder.decode(data)
        last = now
    os.close(own)
    child.wait()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, _CHUNK)
    except OSError:  # Linux says so when the last program has closed the terminal
        return b""


def session(commands: list[str], environment: dict[str, str]) -> Iterator[Event]:
    """Yield a whole session: each command typed, run, and left to be read for a while."""
    yield 0.0, PROMPT
    for command in commands:
        yield _REST, ""
        for letter in command:
            yield _KEY, letter
        yield _PAUSE, "\r\n"
        for pause, text in ran(command, environment):
            yield min(pause, _PAUSE), text
        yield 0.0, PROMPT
    yield 2 * _REST, ""


def cast(events: Iterator[Event]) -> str:
    """Return the text of a cast; times are rounded to milliseconds."""
    head = {"version": 2, "width": COLUMNS, "height": ROWS, "env": {"TERM": "xterm-256color"}}
    lines, at = [json.dumps(head)], 0.0
    for pause, text in events:
        at += pause
        lines.append(json.dumps([round(at, 3), "o", text], ensure_ascii=False))
    return "\n".join(lines) + "\n"


def main() -> None:
    """Record the commands of a file."""
    words = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    words.add_argument("commands", type=Path, help="a file with one command a line")
    words.add_argument("cast", type=Path, help="the file to write")
    given = words.parse_args()
    keep = {name: os.environ[name] for name in ("PATH", "HOME", "WHEELHOUSE_STORE") if name in os.environ}
    environment = {
        **keep,
        "TERM": "xterm-256color",
        "LANG": "C.UTF-8",
        "COLUMNS": str(COLUMNS),
        "LINES": str(ROWS),
    }
    commands = [line for line in given.commands.read_text("utf-8").splitlines() if line and line[0] != "#"]
    given.cast.write_text(cast(session(commands, environment)), "utf-8")


if __name__ == "__main__":
    main()
