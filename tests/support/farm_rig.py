"""A farm on one machine: a real scheduler and real workers (`invoke worker`), each a process."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from making_builds import Bench
from sdists import BACKEND

from ascend_wheelhouse.base.events import Emit
from ascend_wheelhouse.build.command import Workshop
from ascend_wheelhouse.farm.choice import FarmChoice
from ascend_wheelhouse.farm.farm import Farm, farm

ROOT = Path(__file__).parents[2]
_SECONDS = 120.0
"""How long a test waits for a condition: far longer than a busy machine needs."""


def free_port() -> int:
    """Return a port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listening(process: int) -> set[str]:
    """Return the addresses that a process listens on, as the kernel writes them (`proc_net_tcp`)."""
    own = {str(file.readlink()) for file in Path(f"/proc/{process}/fd").iterdir() if file.is_symlink()}
    found = set()
    for table in ("tcp", "tcp6"):
        for row in Path(f"/proc/{process}/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, *_rest = row.split()
            if state == "0A" and f"socket:[{row.split()[9]}]" in own:
                found.add(local.partition(":")[0])
    return found


def until(condition: object, what: str, seconds: float = _SECONDS) -> None:
    """Wait until a condition holds; fail when it does not in time."""
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]  # any callable
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.05)


@dataclass(kw_only=True)
class Rig:
    """Processes of one farm, each in the namespace of its name (`around`), any other in that of `otherwise`."""

    folder: Path
    host: str = "127.0.0.1"
    port: int = field(default_factory=free_port)
    around: Mapping[str, Sequence[str]] = field(default_factory=dict)
    otherwise: Sequence[str] = ()
    protocol: str = "tcp"
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def address(self) -> str:
        """The scheduler's address."""
        return f"{self.protocol}://{self.host}:{self.port}"

    def log(self, name: str) -> str:
        """Return what a process has printed."""
        return (self.folder / f"{name}.log").read_text()

    def store_of(self, name: str) -> Path:
        """Return the store of a worker."""
        return self.folder / f"store-{name}"

    def start(self, name: str, *words: str | Path, env: Mapping[str, str] | None = None) -> None:
        """Start a process in the namespace of its name, if there is one."""
        with (self.folder / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                [*self.around.get(name, self.otherwise), *map(str, words)],
                cwd=ROOT,
                env={**os.environ, **(env or {})},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def scheduler(self, *more: str) -> None:
        """Start the scheduler and wait for it."""
        at = ("--protocol", self.protocol, "--host", self.host, "--port", str(self.port))
        words = (*at, "--dashboard-address", "127.0.0.1:0", *more)
        self.start("scheduler", sys.executable, "-m", "distributed.cli.dask_scheduler", *words)
        until(lambda: "Scheduler at:" in self.log("scheduler"), "the scheduler runs")

    def worker(self, name: str, *more: str, store: Path | None = None, **env: str) -> None:
        """Start a worker and wait until it has joined."""
        before = self.log(name).count("builds for") if (self.folder / f"{name}.log").exists() else 0
        place = store or self.store_of(name)
        place.mkdir(exist_ok=True)
        self._start_worker(name, *more, env={"WHEELHOUSE_STORE": str(place), **env})
        until(lambda: self.log(name).count("builds for") > before, f"{name} joined")

    def refused(self, name: str, *more: str) -> int:
        """Start a worker that will not get in, and return its exit status."""
        self._start_worker(name, *more)
        return self.ended(name, 90)

    def _start_worker(self, name: str, *more: str, env: Mapping[str, str] | None = None) -> None:
        words = ("worker", "--scheduler", self.address, "--name", name, *more)
        self.start(name, sys.executable, "-m", "invoke", *words, env=env)

    def present(self, *names: str) -> None:
        """Have these workers there, and no others."""
        for name in {*self.running} - {*names, "scheduler"}:
            self.kill(name)
        for name in names:
            if name not in self.running:
                self.worker(name)

    def kill(self, name: str) -> None:
        """Kill a process as `kill -9` does, and nothing else with it."""
        process = self.running.pop(name)
        process.send_signal(signal.SIGKILL)
        process.wait(60)

    def stop(self, name: str) -> int:
        """Stop a process as Ctrl-C does, and return its exit status."""
        process = self.running.pop(name)
        process.send_signal(signal.SIGINT)
        return process.wait(90)

    def close(self) -> None:
        """End every process."""
        for name in [*self.running]:
            self.kill(name)

    def master(
        self, name: str, store: Path, *archives: Path, on: str = "", **env: str
    ) -> subprocess.Popen[bytes]:
        """Start a master that builds these archives; its events are JSON lines in its log."""
        script = ROOT / "tests/support/farm_master.py"
        self.start(name, sys.executable, script, on or self.address, store, *archives, env=env)
        return self.running[name]

    def ended(self, name: str, seconds: float = 90.0) -> int:
        """Wait for a process to end by itself and return its exit status."""
        return self.running.pop(name).wait(seconds)

    def said(self, name: str) -> list[dict[str, Any]]:
        """Return what a master has told so far."""
        whole = (line for line in self.log(name).splitlines() if line.startswith("{") and line.endswith("}"))
        return [json.loads(line) for line in whole]

    def results(self, name: str) -> dict[str, list[Any]]:
        """Return the wheels of a master that has ended, by version."""
        rows = (row for row in self.said(name) if row.get("event") == "result")
        return {row["version"]: row["wheels"] for row in rows}


def programs(mark: str) -> list[int]:
    """Return the processes that have a word in their command line."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if mark.encode() in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
    return found


def sleeping(seconds: str) -> str:
    """Return a build backend that runs `sleep` first: its argument is a mark by which it is found."""
    return f"import subprocess\nsubprocess.run(['sleep', '{seconds}'], check=True)\n{BACKEND}"


@contextmanager
def rig(folder: Path, **facts: object) -> Iterator[Rig]:
    """Give a farm without any process yet; all are ended afterwards."""
    folder.mkdir(exist_ok=True)
    made = Rig(folder=folder, **facts)  # type: ignore[arg-type]  # the caller names fields
    try:
        yield made
    finally:
        made.close()


@contextmanager
def joined(
    made: Rig, bench: Bench, emit: Emit | None = None, choice: FarmChoice | None = None
) -> Iterator[tuple[Farm, Workshop]]:
    """Give the farm as a master sees it, and the workshop that builds on it."""
    telling = emit or bench.events.append
    with farm(choice or FarmChoice(scheduler=made.address), bench.store, telling) as found:
        assert found is not None
        yield found, replace(bench.workshop, elsewhere=found)
