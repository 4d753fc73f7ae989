"""Starts programs that are killed at a step, and sees what outlives them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from ascend_wheelhouse.node import supervise

ENDED_AT = Path(__file__).with_name("ended_at.py")
INVOKE = Path(sys.executable).parent / "invoke"
TEMPORARY = ".tmp"
_PATIENCE = 60.0


@dataclass(frozen=True, kw_only=True)
class Command:
    """A Python program with its arguments, run in a folder of its own."""

    words: Sequence[str | Path]
    cwd: Path
    env: Mapping[str, str] = field(default_factory=dict)

    def request(self, last: int) -> dict[str, object]:
        """Return what `ended_at.py` reads; temporary files go into a folder of this command's own."""
        home = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "HOME": str(self.cwd)}
        own = {"TMPDIR": str(self.cwd / TEMPORARY), "LC_ALL": "C.UTF-8"}
        return {
            "words": [str(word) for word in self.words],
            "cwd": str(self.cwd),
            "env": {**home, **own, **self.env},
            "last": last,
            "count": str(self.cwd / ".steps"),
            "out": str(self.cwd / ".out"),
        }


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a command ended, how many steps it took if it was not killed, and what it printed."""

    status: int
    steps: int
    text: str


class Starter:
    """A process that has imported modules, and forks for every run.

    Args:
        modules: What it imports.
    """

    def __init__(self, *modules: str) -> None:
        supervise.adopt_orphans()
        self._others = {one.pid for one in supervise.processes() if one.parent == os.getpid()}
        self._process = subprocess.Popen(
            [sys.executable, ENDED_AT, *modules], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        with self._process:
            self._process.kill()
        for one in self._orphans():
            os.kill(one.pid, signal.SIGKILL)
        supervise.adopt_orphans(on=False)

    def run(self, command: Command, last: int = 0) -> Ended:
        """Run a command to its end, or to a step; 0 is none."""
        (command.cwd / TEMPORARY).mkdir(exist_ok=True)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(command.request(last)), file=self._process.stdin, flush=True)
        status = int(self._process.stdout.readline())
        out, count = command.cwd / ".out", command.cwd / ".steps"
        text = out.read_text(errors="replace")
        steps = int(count.read_text()) if count.exists() else 0
        for rest in (count, out):
            rest.unlink(missing_ok=True)
        return Ended(status=status, steps=steps, text=text)

    def left_over(self, patience: float = _PATIENCE) -> list[str]:
        """Return the names of processes that outlive a command; this process is handed its orphans."""
        until = time.monotonic() + patience
        while True:
            living = self._orphans()
            if not living or time.monotonic() > until:
                return [one.name for one in living]
            time.sleep(0.01)

    def _orphans(self) -> list[supervise.Process]:
        """Return what this process was handed; what it had before, a helper of another test's, is none of ours."""
        known = {*self._others, self._process.pid}
        ours = [one for one in supervise.processes() if one.parent == os.getpid() and one.pid not in known]
        supervise.reap(ours)
        return [one for one in ours if one.state not in "ZX"]
