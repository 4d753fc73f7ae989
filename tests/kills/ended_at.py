"""Runs Python programs and kills each, without a last word, when it is about to take its n-th step.

    ended_at.py MODULE...

reads one run a line from its input, as JSON, and answers each with the status of its process. It forks for each run,
with the modules imported, so that a program of many modules begins at once.

A step is what changes something that outlives the process: a file that is opened for writing, a name that is made,
moved or removed, a lock, a program that is started (before, and once it runs), a line that is printed. Python tells
them to an audit hook, so that the product needs no switch for it. Step 0 kills nothing; the steps that there were are
written to a file then. Step -1 is the first program's running.
"""

from __future__ import annotations

import atexit
import importlib
import io
import itertools
import json
import os
import runpy
import signal
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any, TextIO

ONCE_STARTED = -1
_NAMES = {
    *("os.rename", "os.link", "os.symlink", "os.remove", "os.rmdir", "os.mkdir", "os.truncate", "os.chmod"),
    *("os.utime", "shutil.rmtree", "shutil.copytree", "shutil.copyfile", "fcntl.flock", "tempfile.mkstemp"),
}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


class Steps:
    """Counts the steps of this process alone, and ends it at the one that was named."""

    def __init__(self, last: int) -> None:
        self.last = last
        self.own = os.getpid()
        self.taken = 0
        self._numbers = itertools.count(1)

    def take(self) -> bool:
        """Count one more; return whether it is the last."""
        if os.getpid() != self.own:
            return False
        self.taken = next(self._numbers)
        return self.taken == self.last

    def audit(self, event: str, arguments: tuple[object, ...]) -> None:
        """Hear what Python is about to do."""
        if event == "subprocess.Popen":
            before = _children()
            if self.take():
                end()
            if self.take() or self.last == ONCE_STARTED:
                threading.Thread(target=_end_once_started, args=(before,), daemon=True).start()
        elif _changes(event, arguments) and self.take():
            end()


def end() -> None:
    """Die as by `kill -9`."""
    os.kill(os.getpid(), signal.SIGKILL)


def _changes(event: str, arguments: tuple[object, ...]) -> bool:
    """Tell whether something that lasts is about to change; byte code, which Python may write at any time, is not."""
    if event == "open":
        writes = isinstance(arguments[2], int) and bool(arguments[2] & _WRITING)
        return writes and "__pycache__" not in str(arguments[0])
    return event in _NAMES and "__pycache__" not in str(arguments[:1])


def _children() -> set[str]:
    found = set()
    for task in Path("/proc/self/task").iterdir():
        try:
            found |= set((task / "children").read_text("ascii").split())
        except OSError:  # the thread has just ended
            continue
    return found


def _end_once_started(before: set[str]) -> None:
    """Wait for a new child that is no copy of this process any more but the program that it was to become."""
    own = Path("/proc/self/cmdline").read_bytes()
    while True:
        for child in _children() - before:
            try:
                if Path(f"/proc/{child}/cmdline").read_bytes() not in {own, b""}:
                    end()
            except OSError:  # it ended already
                end()


class Told:
    """Standard output or error: every line is a step."""

    def __init__(self, stream: TextIO, steps: Steps) -> None:
        self._stream, self._steps = stream, steps

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write, and count what is a line."""
        if "\n" in text and self._steps.take():
            end()
        return self._stream.write(text)


def _run(request: dict[str, Any]) -> None:
    """Become the program: folder, environment, output and session are its own."""
    os.setsid()
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    tempfile.tempdir = None
    out = os.open(request["out"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    for number, end in ((os.open(os.devnull, os.O_RDONLY), (0,)), (out, (1, 2))):
        for one in end:
            os.dup2(number, one)
    steps = Steps(int(request["last"]))
    if not steps.last:
        atexit.register(lambda: Path(request["count"]).write_text(str(steps.taken), "ascii"))
    program = request["words"][0]
    sys.argv = request["words"]
    sys.path.insert(0, str(Path(program).parent))
    sys.stdin, sys.stdout, sys.stderr = (
        io.TextIOWrapper(io.FileIO(0)),
        Told(open(1, "w", buffering=1, closefd=False), steps),  # noqa: SIM115 - as Python itself opens it
        Told(open(2, "w", buffering=1, closefd=False), steps),  # noqa: SIM115 - as above
    )
    sys.addaudithook(steps.audit)
    runpy.run_path(program, run_name="__main__")


def main(modules: list[str]) -> None:
    """Serve runs until the input ends."""
    for name in modules:
        importlib.import_module(name)
    answers = os.fdopen(os.dup(1), "w")
    while line := sys.stdin.readline():
        if not (child := os.fork()):
            _run(json.loads(line))
            return
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), file=answers, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
