"""One supply of job slots for every compiler of every build: GNU make's jobserver protocol over a FIFO.

make 4.4 and ninja 1.13 are clients of a FIFO named in MAKEFLAGS. Each build takes one slot for itself, as
the protocol wants, and its compilers take the others one by one, so that two builds side by side never run
more compilers than one alone. Source: GNU make manual, "POSIX Jobserver Interaction"; ninja 1.13 release
notes.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from packaging.version import Version

from ascend_wheelhouse.base.artifact import Artifact
from ascend_wheelhouse.base.memory import available
from ascend_wheelhouse.build.toolchain import Toolchain
from ascend_wheelhouse.node.scratch import scratch

_TOKEN = b"+"
_RESERVE_MB = 1024
_FIFO_MAKE, _FIFO_NINJA = Version("4.4"), Version("1.13")
_NINJA_WHEEL = re.compile(r"ninja-(\d+\.\d+)")


@dataclass(frozen=True, kw_only=True)
class Slots:
    """What a build is told of the slots that it shares: where their FIFO is, and how many there are."""

    path: Path
    jobs: int

    def makeflags(self, seen_at: str) -> str:
        """Return MAKEFLAGS for a build that sees the FIFO at `seen_at`."""
        return f" -j{self.jobs} --jobserver-auth=fifo:{seen_at}"


class Jobserver:
    """A FIFO with as many tokens as there are slots.

    Args:
        path: Where the FIFO is.
        jobs: How many slots there are.
    """

    def __init__(self, path: Path, jobs: int) -> None:
        self.slots = Slots(path=path, jobs=jobs)
        os.mkfifo(path)
        self._end = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        os.write(self._end, _TOKEN * jobs)

    def close(self) -> None:
        """Drop the FIFO; running clients fall back to one job each."""
        os.close(self._end)
        self.slots.path.unlink(missing_ok=True)

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Hold one slot: what each build needs for its own process. Waits until one is free."""
        os.read(self._end, 1)
        try:
            yield
        finally:
            os.write(self._end, _TOKEN)


@contextmanager
def jobserver(jobs: int) -> Iterator[Jobserver]:
    """Give a jobserver in a folder of its own, dropped at the end."""
    with scratch() as folder:
        server = Jobserver(folder / "jobserver", jobs)
        try:
            yield server
        finally:
            server.close()


def make_is_client(toolchain: Toolchain) -> bool:
    """Return whether the host's make can use a FIFO; an older one stops at the very option."""
    make = toolchain.get("make")
    return make is None or Version(make.version) >= _FIFO_MAKE


def ninja_is_client(toolchain: Toolchain, environment: Iterable[Artifact]) -> bool:
    """Return whether the ninja of the build environment, else the host's, can use a FIFO."""
    brought = (match[1] for file in environment if (match := _NINJA_WHEEL.match(file.filename)))
    host = toolchain.get("ninja")
    version = re.match(r"\d+(\.\d+)*", next(brought, host.version if host else "0"))
    return version is not None and Version(version[0]) >= _FIFO_NINJA


def share(jobs: int, *, builds: int, memory_mb: int, per_job_mb: int) -> int:
    """Return how many compilers one build may run where no jobserver divides the slots.

    Args:
        jobs: Slots of this host.
        builds: How many builds run side by side.
        memory_mb: Memory that they may use together, in MiB.
        per_job_mb: What one compiler may need, in MiB.
    """
    by_memory = memory_mb // max(per_job_mb, 1) // max(builds, 1)
    return max(1, min(jobs // max(builds, 1), by_memory))


def host_memory_mb() -> int:
    """Return the memory that compilers may use together, in MiB: what is free here, less what all else needs."""
    return max(available() // (1 << 20) - _RESERVE_MB, 0)
