"""Runs a command in a session of its own, watches its clock and its memory, and leaves nothing of it behind.

Memory is the proportional set size of all its processes: `RLIMIT_AS` would stop torch, which maps far more
than it uses. Each command has a guardian (`guarded`), to which its orphans are handed: whatever is below that one is of
the command, and ends when this process does, by `kill -9` too. Where somebody killed the guardian, orphans come to this
process, and are told by a mark in the environment.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import secrets
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from .guarded import Guarded

Cut = Literal["", "time", "memory", "output"]

PATIENCE = 10.0
"""Seconds in which a killed process is gone, unless the kernel holds it."""

LONGEST_OUTPUT = 4 << 30
"""Bytes that a command may print: a driver that complains in a circle would fill the disk of temporary files."""

_POLL_SECONDS = 0.1
_WEIGH_SECONDS = 0.5
_LAST_WORDS = 4000
_PR_SET_CHILD_SUBREAPER = 36
_MARK = "WHEELHOUSE_FAMILY"


class Process(NamedTuple):
    """One process as `/proc` shows it; `started` tells a reused pid from the old one."""

    pid: int
    parent: int
    session: int
    started: int
    state: str
    name: str


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a supervised command ended.

    Args:
        status: As `subprocess` gives it: negative for a signal.
        cut: What limit ended it, or empty.
        seconds: Wall-clock time.
        peak: The most memory that its processes held together, in bytes.
        output: The end of what it printed, both streams.
        left: Names of the processes that were still alive after the leader had ended; they were killed.
        stuck: Names of those that a kill did not end in time: a call into a driver that does not come back.
    """

    status: int
    cut: Cut
    seconds: float
    peak: int
    output: str
    left: tuple[str, ...]
    stuck: tuple[str, ...] = ()


def processes() -> list[Process]:
    """Return every process that is visible here."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                found.append(_read(int(entry.name)))
    return found


def _read(pid: int) -> Process:
    text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    head, _, tail = text.rpartition(")")
    fields = tail.split()
    return Process(
        pid, int(fields[1]), int(fields[3]), int(fields[19]), fields[0], head.partition("(")[2] or str(pid)
    )


class Family:
    """The processes of one command, zombies and its guardian left out.

    Args:
        leader: The command.
        environment: What it was started with; `marked` made it.
    """

    def __init__(self, leader: Guarded, environment: Mapping[str, str]) -> None:
        self.leader = leader.pid
        self._keeper = leader.keeper
        self._mark = os.fsencode(environment[_MARK])
        self._known: dict[int, int] = {}

    def alive(self) -> list[Process]:
        """Look again and return those that live."""
        seen = processes()
        now = {one.pid: one for one in seen}
        self._known = {
            pid: started for pid, started in self._known.items() if pid in now and now[pid].started == started
        }
        grown = True
        while grown:
            grown = False
            for one in seen:
                known = one.pid in self._known or one.pid == self._keeper
                ours = {self._keeper, *self._known}
                if not known and (one.parent in ours or one.session in ours or self._is_orphan(one)):
                    self._known[one.pid] = one.started
                    grown = True
        return [now[pid] for pid in self._known if now[pid].state not in "ZX"]

    def _is_orphan(self, one: Process) -> bool:
        """Tell whether a process that was handed to this one, its guardian dead, is of the family."""
        if one.parent != os.getpid():
            return False
        with contextlib.suppress(OSError):
            return self._mark in Path(f"/proc/{one.pid}/environ").read_bytes()
        return False

    def weight(self) -> int:
        """Return what they hold in memory together, in bytes."""
        return sum(_weigh(one.pid) for one in self.alive())

    def kill(self, patience: float = PATIENCE) -> None:
        """Kill them all and wait until they are gone."""
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            living = self.alive()
            if not living:
                return
            for one in living:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(one.pid, signal.SIGKILL)
            reap(living)
            time.sleep(_POLL_SECONDS / 2)


def reap(family: Sequence[Process]) -> None:
    """Collect the exit of orphans that were handed to this process; a guardian is left to its `Popen`."""
    for one in family:
        if one.parent == os.getpid() and one.session != one.pid:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(one.pid, os.WNOHANG)


def _weigh(pid: int) -> int:
    with contextlib.suppress(OSError, ValueError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    with contextlib.suppress(OSError, ValueError, IndexError):
        return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * os.sysconf(
            "SC_PAGE_SIZE"
        )
    return 0


def marked(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment for a family of its own, which may be a part of the one that this process is of."""
    return {**environment, _MARK: f"{os.environ.get(_MARK, '')}/{secrets.token_hex(8)}"}


def leave_cleanly() -> None:
    """Make a request to end (SIGTERM) run every `finally`, so that what is supervised is killed with us."""
    signal.signal(signal.SIGTERM, _leave)


def _leave(number: int, _frame: object) -> None:
    raise SystemExit(128 + number)


def adopt_orphans(*, on: bool = True) -> None:
    """Make this process the one that orphans of its children are handed to."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, int(on), 0, 0, 0)


def run(
    words: Sequence[str],
    *,
    environment: Mapping[str, str],
    folder: Path,
    seconds: float,
    memory: int,
) -> Ended:
    """Run a command to its end or to one of its limits.

    Args:
        words: The command.
        environment: Its whole environment.
        folder: Where it runs; its output is kept in `output.txt` there.
        seconds: Time limit.
        memory: Limit in bytes over all its processes.
    """
    adopt_orphans()
    log = folder / "output.txt"
    environment = marked(environment)
    began = time.monotonic()
    with log.open("wb") as stream:
        leader = Guarded(words, environment=environment, folder=folder, output=stream)
    family = Family(leader, environment)
    try:
        cut, peak = _watch(leader, family, log, began + seconds, memory)
        left = () if cut else _survivors(family)
    finally:
        family.kill(PATIENCE)
        status = _status(leader)
        stuck = tuple(sorted(one.name for one in family.alive()))
        leader.end()
        family.kill(PATIENCE)
    return Ended(
        status=status,
        cut=cut,
        seconds=time.monotonic() - began,
        peak=peak,
        output=last_words(log),
        left=left,
        stuck=stuck,
    )


def _status(leader: Guarded) -> int:
    """Return how the leader ended; one that the kernel does not let go counts as killed, and nobody waits for it."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        return leader.wait(PATIENCE)
    return -signal.SIGKILL


def _watch(leader: Guarded, family: Family, log: Path, deadline: float, memory: int) -> tuple[Cut, int]:
    peak, weighed = 0, 0.0
    while leader.poll() is None:
        now = time.monotonic()
        if now > deadline:
            return "time", peak
        if now - weighed >= _WEIGH_SECONDS:
            weighed = now
            peak = max(peak, family.weight())
            if peak > memory:
                return "memory", peak
            if log.stat().st_size > LONGEST_OUTPUT:
                return "output", peak
        time.sleep(_POLL_SECONDS)
    return "", peak


def _survivors(family: Family, patience: float = 1.0) -> tuple[str, ...]:
    """Return who outlives the leader for long (helpers of multiprocessing end just after it)."""
    deadline = time.monotonic() + patience
    while (
        living := [one for one in family.alive() if one.pid != family.leader]
    ) and time.monotonic() < deadline:
        reap(living)
        time.sleep(_POLL_SECONDS)
    return tuple(sorted(one.name for one in living))


def last_words(log: Path) -> str:
    """Return the end of a log file as text."""
    with log.open("rb") as stream:
        stream.seek(0, os.SEEK_END)
        stream.seek(max(0, stream.tell() - _LAST_WORDS))
        return stream.read().decode("utf-8", "replace").strip()
