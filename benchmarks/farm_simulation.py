"""How many workers one scheduler keeps busy, and what our own questions cost it: the scheduling alone, nothing built.

    python benchmarks/farm_simulation.py --workers 4 16 64 250 1000 --steps 10000

A real scheduler of Dask runs in a process of its own. Simulated workers (`simulated_workers.py`) each hold a
connection to it, and the steps are submitted in the words that `farm/submitted.py` uses, one for each worker at a
time. At first a build takes no time, so that the steps go as fast as they can: N workers are kept busy while a build
takes at least N divided by that speed, and there it bends. Then builds take twice that long, and what a worker waits
between two is measured.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

PROJECT = Path(__file__).parents[1]
sys.path[:0] = [str(PROJECT / "tests/support"), str(PROJECT / "benchmarks")]

from farm_rig import Rig, rig  # noqa: E402 - where the stand-in projects are
from making_builds import Bench  # noqa: E402
from sdists import PUBLISHED, recipe, sdist, sources, where  # noqa: E402
from simulated_workers import labels  # noqa: E402

from ascend_wheelhouse.base.events import silent  # noqa: E402
from ascend_wheelhouse.farm.building import build_here  # noqa: E402
from ascend_wheelhouse.farm.choice import FarmChoice  # noqa: E402
from ascend_wheelhouse.farm.connection import workers_of  # noqa: E402
from ascend_wheelhouse.farm.demand import Demand  # noqa: E402
from ascend_wheelhouse.farm.identity import own_version  # noqa: E402
from ascend_wheelhouse.farm.link import Link  # noqa: E402
from ascend_wheelhouse.farm.order import Dispatch, dispatch_of  # noqa: E402

if TYPE_CHECKING:
    from distributed import Client, Future

LOOKS = 20
BUILDS = (30.0, 300.0)
_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, kw_only=True)
class Size:
    """What was found for a number of workers; seconds everywhere.

    Args:
        workers: How many there were.
        steps: How many steps they did.
        used: How many of them did any.
        steps_a_second: How fast steps went that took no time.
        scheduler_cpu: Processor time of the scheduler for one step.
        master_cpu: The same of the master.
        bends_at: The shortest mean build that keeps all workers busy.
        gap: What a worker waited between two builds that take twice as long as that.
        idle: The share of its time that a worker waits, for builds of so many seconds.
        look_scheduler_cpu: Processor time of the scheduler when it is asked for its workers.
        look_master_cpu: The same of the master.
    """

    workers: int
    steps: int
    used: int
    steps_a_second: float
    scheduler_cpu: float
    master_cpu: float
    bends_at: float
    gap: float
    idle: dict[str, float]
    look_scheduler_cpu: float
    look_master_cpu: float


def processor_seconds(pid: int) -> float:
    """Return what a process has used of the processors."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def a_dispatch(folder: Path) -> Dispatch:
    """Return a build as our own code sends it, with labels of a compiled package."""
    bench = Bench(root=folder / "store")
    tree = sources(bench, sdist(folder, {"pyproject.toml": PUBLISHED}))
    named = {name: labels().named[name][0] for name in ("machine", "python", "gcc", "g++", "patchelf")}
    demand = Demand(labels=named, memory_mb=2048)
    return dispatch_of(recipe(), where(), tree, bench.workshop, demand)


def submit(client: Client, dispatch: Dispatch, number: int) -> Future[Any]:
    """Submit a step in the words of `farm/submitted.py`."""
    return client.submit(
        build_here,
        replace(dispatch.order, topic=f"{dispatch.order.topic}-{number}"),
        key=f"{dispatch.key}-{number}",
        resources=dispatch.demand.resources(own_version()),
        priority=dispatch.demand.memory_mb,
        workers=None,
        pure=False,
    )


def run_steps(client: Client, dispatch: Dispatch, steps: int, at_once: int, first: int = 0) -> float:
    """Return the seconds of these steps, so many of them submitted at a time, numbered from `first` on."""
    free = threading.Semaphore(at_once)

    def ended(future: Future[Any]) -> None:
        future.release()
        free.release()

    began = time.monotonic()
    for number in range(first, first + steps):
        free.acquire()
        submit(client, dispatch, number).add_done_callback(ended)
    for _ in range(at_once):
        free.acquire()
    return time.monotonic() - began


@contextmanager
def simulated(made: Rig, count: int, seconds: float) -> Iterator[Callable[[], dict[str, Any]]]:
    """Have workers there; what is given ends them and returns what they did."""
    script = PROJECT / "benchmarks/simulated_workers.py"
    words = [sys.executable, script, made.address, str(count), str(seconds)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        if process.stdout is None or process.stdout.readline() != "joined\n":
            raise SystemExit("the simulated workers could not join")
        yield lambda: json.loads(process.communicate()[0])


@contextmanager
def linked(folder: Path) -> Iterator[tuple[Rig, Link, Dispatch]]:
    """Have a scheduler, a connection of ours to it, and a build."""
    with TemporaryDirectory(dir=folder) as place, rig(Path(place) / "farm") as made:
        made.scheduler()
        dispatch = a_dispatch(Path(place))
        store = Bench(root=Path(place) / "store").store
        link = Link(made.address, FarmChoice(scheduler=made.address), store, silent)
        try:
            yield made, link, dispatch
        finally:
            link.close()


def cost(made: Rig, work: Callable[[], object]) -> tuple[float, float]:
    """Return the processor seconds of the scheduler and of this process for some work."""
    pids = made.running["scheduler"].pid, os.getpid()
    before = [processor_seconds(pid) for pid in pids]
    work()
    there, here = (processor_seconds(pid) - was for pid, was in zip(pids, before, strict=True))
    return there, here


def measure(folder: Path, workers: int, steps: int) -> Size:
    """Return what is found for a number of workers."""
    seconds: list[float] = []
    with linked(folder) as (made, link, dispatch), simulated(made, workers, 0.0) as end:
        look = cost(made, lambda: [workers_of(link.client) for _ in range(LOOKS)])
        run_steps(
            link.client, dispatch, 1, 1, first=steps
        )  # what is imported for the first step is no step's cost
        step = cost(made, lambda: seconds.append(run_steps(link.client, dispatch, steps, workers)))
        did = end()
    speed = steps / seconds[0]
    bends = workers / speed
    with linked(folder) as (made, link, dispatch), simulated(made, workers, 2 * bends) as end:
        run_steps(link.client, dispatch, min(steps, 3 * workers), workers)
        gap = end()["mean_gap"]
    return Size(
        workers=workers,
        steps=did["steps"] - 1,
        used=did["used"],
        steps_a_second=speed,
        scheduler_cpu=step[0] / steps,
        master_cpu=step[1] / steps,
        bends_at=bends,
        gap=gap,
        idle={f"{build:g}": idle(build, bends, gap) for build in BUILDS},
        look_scheduler_cpu=look[0] / LOOKS,
        look_master_cpu=look[1] / LOOKS,
    )


def idle(build: float, bends: float, gap: float) -> float:
    """Return the share of its time that a worker waits, for builds of so many seconds."""
    wait = max(gap, bends - build)
    return wait / (build + wait)


def shown(size: Size) -> str:
    """Return a size as a line."""
    idles = ", ".join(f"{share:.2%} of {build} s" for build, share in size.idle.items())
    return (
        f"{size.workers:5} workers: {size.steps_a_second:6.0f} steps/s, a step {size.scheduler_cpu * 1e3:.2f} ms of the"
        f" scheduler and {size.master_cpu * 1e3:.2f} of the master; bends at {size.bends_at:.2f} s; gap"
        f" {size.gap * 1e3:.0f} ms, idle {idles}; a look {size.look_scheduler_cpu * 1e3:.1f} and"
        f" {size.look_master_cpu * 1e3:.1f} ms"
    )


def main() -> None:
    """Print what is found for each number of workers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--workers", type=int, nargs="+", default=[4, 16, 64, 250, 1000])
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    os.environ["DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL"] = "null"  # simulated workers send no heartbeats
    before, sizes = os.getloadavg()[0], []
    with TemporaryDirectory() as folder:
        for workers in args.workers:
            sizes.append(measure(Path(folder), workers, args.steps))
            if not args.json:
                print(shown(sizes[-1]), flush=True)
    load = {"before": before, "after": os.getloadavg()[0]}
    if args.json:
        print(json.dumps({"load": load, "sizes": [asdict(size) for size in sizes]}))
    else:
        print(f"load before {load['before']:.1f}, after {load['after']:.1f}")


if __name__ == "__main__":
    main()
