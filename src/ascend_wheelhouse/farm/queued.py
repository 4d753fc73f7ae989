"""The jobs of Slurm that a run has submitted: whether they wait or run, and why they ended without a worker.

`squeue` and `scontrol` are asked, since Dask hears nothing of a job before its worker joins. A job first looks at what
it needs on its node, so that its exit status tells what is missing even where its log stays there.
"""

from __future__ import annotations

import re
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ascend_wheelhouse.base.clock import SystemClock
from ascend_wheelhouse.base.errors import HostUnfitError
from ascend_wheelhouse.base.events import Emit, Note
from ascend_wheelhouse.base.process import CommandFailedError, run
from ascend_wheelhouse.farm.errors import FarmSettingsError, JobsEndedError

if TYPE_CHECKING:
    from distributed.security import Security

LOOK_SECONDS = 5.0
NO_PYTHON, NO_CERTIFICATES, NO_MASTER = 171, 172, 173
_ASKED_SECONDS = 20.0
_CALL_SECONDS = 30
_CLOCK = SystemClock()
_ENDED = frozenset(
    [
        "BOOT_FAIL",
        "CANCELLED",
        "COMPLETED",
        "DEADLINE",
        "FAILED",
        "NODE_FAIL",
        "OUT_OF_MEMORY",
        "PREEMPTED",
        "REVOKED",
        "TIMEOUT",
    ]
)
_SLURM = "jobqueue.slurm"
_PLAIN = re.compile(r"[^\s'\"\\`;&|<>()*?\[\]#!]*")  # `~` and variables are expanded on the node, as is meant
# by exit status and signal, as `scontrol show job` writes them
_REASONS: Mapping[str, tuple[str, str]] = {
    f"{NO_PYTHON}:0": (
        "its node does not have the Python {python}",
        f"install this tool there under the same path, or name the nodes' Python: {_SLURM}.python",
    ),
    f"{NO_CERTIFICATES}:0": (
        "its node cannot read the certificates of this run, {certificates}",
        f"name a folder that every node sees: {_SLURM}.shared-temp-directory in ~/.config/dask/jobqueue.yaml",
    ),
    f"{NO_MASTER}:0": (
        "its node does not reach this host at {address}",
        f"name the network that both have, {_SLURM}.interface (see `ip -brief address`), or open the firewall",
    ),
    "0:53": (  # slurmstepd's answer where it cannot open the files that a job prints to
        "its node cannot write the job's log, {log}",
        f"name a folder that every node sees: {_SLURM}.log-directory in ~/.config/dask/jobqueue.yaml",
    ),
}


def asked(*words: str) -> str | None:
    """Return what a command of Slurm prints; None where it cannot be asked."""
    try:
        return run(words, timeout=_ASKED_SECONDS).stdout
    except (CommandFailedError, HostUnfitError, subprocess.TimeoutExpired):
        return None


def address_for_nodes(partition: str | None) -> str | None:
    """Return this host's address on the network on which Slurm's nodes are; None where Slurm does not tell.

    A login host has several networks. What Dask would take is the one towards the internet, or the loopback.

    Args:
        partition: That of the jobs, or None for every node.
    """
    chosen = ("--partition", partition) if partition else ()
    for node in (asked("sinfo", "--noheader", "--Node", "--format=%o", *chosen) or "").split():
        for family, kind, _, _, where in _found(node):
            with socket.socket(family, kind) as probe:
                try:
                    probe.connect(where)  # of a datagram: nothing is sent
                except OSError:
                    continue
                return str(probe.getsockname()[0])
    return None


def _found(node: str) -> Sequence[tuple[int, int, int, str, tuple[object, ...]]]:
    try:
        return socket.getaddrinfo(node, 9, type=socket.SOCK_DGRAM)
    except OSError:
        return ()


def checks(python: str, security: Security, address: str) -> list[str]:
    """Return lines of a job's script that end it, by a status of its own, where its node lacks what a worker needs.

    Args:
        python: The Python that it will start.
        security: The certificates that it will use, as paths.
        address: The master's scheduler.
    """
    host, _, port = address.partition("://")[2].rpartition(":")
    read = " && ".join(f"[ -r {path} ]" for path in certificates(security))
    call = f"timeout {_CALL_SECONDS} bash -c '</dev/tcp/{host.strip('[]')}/{port}'"
    return [
        f"command -v {python} >/dev/null || exit {NO_PYTHON}",
        *([f"{{ {read}; }} || exit {NO_CERTIFICATES}"] if read else []),
        f"{call} || exit {NO_MASTER}",
    ]


def require_plain(paths: Mapping[str, str]) -> None:
    """Refuse paths that the shell of a job would take apart: dask-jobqueue writes them into its script as they are.

    Args:
        paths: By what names each.

    Raises:
        FarmSettingsError: One has a blank or another sign that means something to a shell.
    """
    for what, path in paths.items():
        if not _PLAIN.fullmatch(path):
            raise FarmSettingsError(
                f"A job of Slurm cannot be given the path {path!r} ({what}).",
                why="It has a sign that the shell of a job's script takes for its own, such as a blank.",
                next_step=f"name another folder without such signs: {_SLURM} in ~/.config/dask/jobqueue.yaml",
            )


def certificates(security: Security) -> list[str]:
    """Return the files by which a worker speaks TLS; a job's shell expands `~` and variables in their names."""
    named = security.get_tls_config_for_role("worker")
    return [named[key] for key in ("ca_file", "cert", "key") if named.get(key)]


@dataclass(frozen=True, kw_only=True)
class _Row:
    number: str
    state: str
    node: str
    reason: str


class Jobs:
    """The jobs of one run.

    Args:
        numbers: Their numbers.
        facts: What an error names: `python`, `certificates` and `address`, as the jobs were told.
    """

    def __init__(self, numbers: Sequence[str], facts: Mapping[str, str]) -> None:
        self._numbers, self._facts = tuple(numbers), facts
        self._looked, self._told, self._waits = float("-inf"), "", False

    def waiting(self, emit: Emit) -> bool:
        """Tell whether a job still waits in the queue, and tell the user of every change.

        Slurm is asked every `LOOK_SECONDS` at most; where it does not answer, no job is taken to wait.

        Raises:
            JobsEndedError: All of them have ended.
        """
        if _CLOCK.monotonic() - self._looked < LOOK_SECONDS:
            return self._waits
        rows = list(self._rows())
        self._looked = _CLOCK.monotonic()
        if rows and all(row.state in _ENDED for row in rows):
            raise self._ended(rows[0], len(rows))
        text = _summary(rows)
        if text not in {"", self._told}:
            self._told = text
            emit(Note(text=text))
        self._waits = any(row.state not in _ENDED and not row.node for row in rows)
        return self._waits

    def started(self) -> int:
        """Return how many have started on a node and not ended; 0 where Slurm does not answer."""
        return sum(row.state not in _ENDED and bool(row.node) for row in self._rows())

    def _rows(self) -> Iterator[_Row]:
        words = ("squeue", "--noheader", "--states=all", f"--jobs={','.join(self._numbers)}")
        for line in (asked(*words, "--format=%i|%T|%N|%r") or "").splitlines():
            number, state, node, reason = (line.split("|") + [""] * 3)[:4]
            yield _Row(number=number.strip(), state=state, node=node, reason=reason)

    def _ended(self, row: _Row, count: int) -> JobsEndedError:
        shown = asked("scontrol", "--oneliner", "show", "job", row.number) or ""
        status = _field(shown, "ExitCode")
        log = _field(shown, "StdErr").replace("%J", row.number).replace("%j", row.number)
        where = f"job {row.number}{f' on {row.node}' if row.node else ''}"
        known = _REASONS.get(status)
        if known:
            said = known[0].format(**self._facts, log=log)
            return JobsEndedError(count, f"{where}: {said}", known[1])
        said = _last_line(Path(log)) if log else ""
        text = f"{where} is {row.state}, exit status {status or 'unknown'}{f': {said}' if said else ''}"
        return JobsEndedError(count, text, f"read {log or 'its log'} on {row.node or 'its node'}")


def _field(shown: str, name: str) -> str:
    found = re.search(rf"(?:^|\s){name}=(\S*)", shown)
    return found[1] if found else ""


def _last_line(log: Path) -> str:
    """Return the last line that a job has printed; empty where the log is not on this host."""
    try:
        lines = log.read_text(errors="replace").split("\n")
    except OSError:
        return ""
    return next((line.strip()[:300].rstrip(".") for line in reversed(lines) if line.strip()), "")


def _summary(rows: Sequence[_Row]) -> str:
    waiting = [row for row in rows if row.state not in _ENDED and not row.node]
    ended = [row.number for row in rows if row.state in _ENDED]
    running = [row for row in rows if row not in waiting and row.number not in ended]
    parts = (
        [f"{len(running)} started on {', '.join(sorted({row.node for row in running}))}"] if running else []
    )
    if waiting:
        reasons = ", ".join(sorted({row.reason for row in waiting} - {"None", ""}))
        parts.append(f"{len(waiting)} wait in the queue{f' ({reasons})' if reasons else ''}")
    if ended:
        parts.append(f"{len(ended)} ended ({', '.join(ended)})")
    numbers = ", ".join(row.number for row in rows)
    return f"jobs of Slurm {numbers}: {'; '.join(parts)}" if parts else ""
