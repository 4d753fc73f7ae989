"""Workers of a farm that build nothing, many in one process: a part of `farm_simulation.py`.

    python benchmarks/simulated_workers.py ADDRESS COUNT SECONDS

Each joins a real scheduler over a connection of its own, with labels as a worker of ours has them. It takes one build
at a time, waits for its seconds, and says that it is done. When standard input ends, what they did is printed as JSON.
They send no heartbeats, keep no results, and build nothing.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from distributed.batched import BatchedSend
from distributed.comm.core import Comm, connect
from distributed.versions import get_versions

from ascend_wheelhouse.farm.identity import own_version
from ascend_wheelhouse.farm.labels import Labels

NAMED = {
    "machine": ("aarch64",),
    "gcc": ("13.2.0", "12.2.0"),
    "g++": ("13.2.0", "12.2.0"),
    "cmake": ("3.31.6",),
    "ninja": ("1.11.1",),
    "git": ("2.39.5",),
    "patchelf": ("0.18.0",),
    "cann": ("8.5.0",),
    "python": ("3.11", "3.12"),
    "runs": ("aarch64",),
    "sandbox": ("bubblewrap",),
}
METRICS: dict[str, Any] = {
    "bandwidth": {"total": 1e8, "workers": {}, "types": {}},
    "digests_total_since_heartbeat": {},
    "memory": 0,
    "spilled_bytes": {"memory": 0, "disk": 0},
}


def labels() -> Labels:
    """Return what each of these workers offers."""
    return Labels(version=own_version(), named=NAMED, memory_mb=65536, cores=1)


@dataclass(kw_only=True)
class SimulatedWorker:
    """One worker: what it was given and has not begun, what it builds, and when it stood idle."""

    address: str
    seconds: float
    comm: Comm
    given: deque[dict[str, Any]] = field(default_factory=deque)
    busy: str = ""
    ended: float = 0.0
    done: int = 0
    gaps: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.stream = BatchedSend(interval="2ms")
        self.stream.start(self.comm)

    async def serve(self) -> None:
        """Do what the scheduler says until it goes away."""
        try:
            while True:
                for message in await self.comm.read():
                    self.take(message)
        except OSError:
            return

    def take(self, message: dict[str, Any]) -> None:
        """Take a build, or give one up that another worker should have."""
        if message["op"] == "compute-task":
            self.given.append(message)
            self.begin()
        elif message["op"] == "steal-request":
            self.give_up(message)

    def begin(self) -> None:
        """Begin the next build, if none runs."""
        if self.busy or not self.given:
            return
        message, now = self.given.popleft(), time.time()
        if self.ended:
            self.gaps.append(now - self.ended)
        self.busy = message["key"]
        asyncio.get_running_loop().call_later(self.seconds, self.finish, message, now)

    def finish(self, message: dict[str, Any], began: float) -> None:
        """Say that a build is done."""
        now = time.time()
        told = {
            "op": "task-finished",
            "status": "OK",
            "key": message["key"],
            "run_id": message["run_id"],
            "nbytes": 2000,
            "type": b"",
            "typename": "BuildAnswer",
            "metadata": {},
            "thread": 1,
            "startstops": [{"action": "compute", "start": began, "stop": now}],
            "stimulus_id": f"done-{now}",
        }
        self.stream.send(told)
        self.busy, self.ended = "", now
        self.done += 1
        self.begin()

    def give_up(self, message: dict[str, Any]) -> None:
        """Answer a scheduler that wants a build back."""
        key = message["key"]
        state = "executing" if key == self.busy else None
        for one in [one for one in self.given if one["key"] == key]:
            self.given.remove(one)
            state = "ready"
        answer = {"op": "steal-response", "key": key, "state": state, "stimulus_id": message["stimulus_id"]}
        self.stream.send(answer)


async def join(scheduler: str, number: int, seconds: float, versions: dict[str, Any]) -> SimulatedWorker:
    """Return a worker that the scheduler has taken."""
    comm = await connect(scheduler)
    address = f"tcp://127.0.0.1:{20000 + number}"
    words = {
        "op": "register-worker",
        "reply": False,
        "address": address,
        "status": "running",
        "nthreads": 1,
        "name": f"simulated-{number}",
        "now": time.time(),
        "resources": labels().as_resources(),
        "memory_limit": 1 << 36,
        "local_directory": "",
        "services": {},
        "nanny": None,
        "pid": os.getpid(),
        "versions": versions,
        "metrics": METRICS,
        "extra": {},
        "stimulus_id": f"join-{number}",
        "server_id": f"Worker-{number}",
    }
    await comm.write(words)
    answer = await comm.read()
    if answer["status"] != "OK":
        raise ConnectionError(answer.get("message", str(answer)))
    return SimulatedWorker(address=address, seconds=seconds, comm=comm)


async def run(scheduler: str, count: int, seconds: float) -> None:
    """Have the workers there until standard input ends, and print what they did."""
    versions = get_versions()
    workers = [await join(scheduler, number, seconds, versions) for number in range(count)]
    serving = [asyncio.create_task(worker.serve()) for worker in workers]
    print("joined", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    gaps = [gap for worker in workers for gap in worker.gaps]
    found = {
        "steps": sum(worker.done for worker in workers),
        "used": sum(worker.done > 0 for worker in workers),
        "gap": median(gaps) if gaps else 0.0,
        "mean_gap": sum(gaps) / len(gaps) if gaps else 0.0,
    }
    print(json.dumps(found), flush=True)
    for one in serving:
        one.cancel()


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
