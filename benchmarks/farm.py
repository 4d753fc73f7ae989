"""Independent one-core builds on a farm of one host, beside `make -j` of the same commands.

    python benchmarks/farm.py --builds 24 --workers 4 --turns 3

A scheduler and workers (`invoke worker`) run as processes of this host. A build is a stand-in project whose backend
runs one command that takes the time of one core; make runs the same command as often, and nothing else. So the ratio
holds whatever a build is besides its command: files sent, an environment, a sandbox, a wheel brought home. The sides
alternate.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

PROJECT = Path(__file__).parents[1]
sys.path[:0] = [str(PROJECT / "tests/support")]

from farm_rig import joined, rig  # noqa: E402 - where the stand-in projects are
from making_builds import Bench  # noqa: E402
from sdists import BACKEND, PUBLISHED, recipe, sdist, sources, where  # noqa: E402

from ascend_wheelhouse.build.command import Workshop, build_component  # noqa: E402
from ascend_wheelhouse.build.outcome import BuiltWheel, PendingBuild  # noqa: E402
from ascend_wheelhouse.build.scheduler import Step, run_all  # noqa: E402

AIM = 1.15
Outcome = list[BuiltWheel] | PendingBuild


def words(rounds: int) -> list[str]:
    """Return the command: it takes the time of one core and nothing else."""
    return ["awk", f"BEGIN {{ while (i < {rounds}) i++ }}"]


def project(folder: Path, version: str, rounds: int) -> Path:
    """Write a project whose build runs the command once."""
    backend = f"import subprocess\nsubprocess.run({words(rounds)!r}, check=True)\n{BACKEND}"
    published = PUBLISHED.replace('"1.0"', f'"{version}"')
    return sdist(folder, {"pyproject.toml": published, "backend.py": backend}, version=version)


def on_the_farm(bench: Bench, workshop: Workshop, archives: dict[str, Path], workers: int) -> float:
    """Return the seconds of these builds."""
    steps = []
    for version, path in archives.items():
        args = (recipe(), where(version), sources(bench, path), workshop)
        steps.append(Step[Outcome](name=version, run=lambda _results, args=args: build_component(*args)))
    began = time.monotonic()
    outcomes = run_all(steps, workers=workers, memory_mb=1 << 20)
    seconds = time.monotonic() - began
    for outcome in outcomes.values():
        if outcome.error is not None:
            raise outcome.error
    return seconds


def by_make(folder: Path, count: int, rounds: int, jobs: int) -> float:
    """Return the seconds of the bare commands."""
    program, text = words(rounds)
    names = " ".join(f"build{number}" for number in range(count))
    (folder / "Makefile").write_text(f"all: {names}\n{names}:\n\t@{program} '{text}'\n")
    began = time.monotonic()
    subprocess.run(["make", "--silent", f"-j{jobs}", "-C", folder], check=True)
    return time.monotonic() - began


def measure(args: argparse.Namespace, folder: Path) -> tuple[float, float]:
    """Return the seconds of the farm and of make, over all turns."""
    a_turn, ours, bare = args.builds // args.turns, 0.0, 0.0
    bench = Bench(root=folder / "store")
    make = partial(by_make, folder, a_turn, args.rounds, args.jobs)
    with rig(folder / "farm") as made:
        made.scheduler()
        for number in range(args.workers):
            made.worker(f"worker{number}")
        with joined(made, bench) as (_, workshop):
            for turn in range(args.turns):
                names = [f"1.{turn * a_turn + number}" for number in range(a_turn)]
                archives = {name: project(folder, name, args.rounds) for name in names}
                there = partial(on_the_farm, bench, workshop, archives, args.workers)
                if turn % 2:
                    bare += make()
                    ours += there()
                else:
                    ours += there()
                    bare += make()
                print(f"turn {turn + 1}: farm {ours:.1f} s, make {bare:.1f} s so far", flush=True)
    return ours, bare


def main() -> None:
    """Print both sides and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--builds", type=int, default=24)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)), help="of make")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=100_000_000, help="how long a command takes")
    args = parser.parse_args()
    before = os.getloadavg()[0]
    with TemporaryDirectory() as folder:
        ours, bare = measure(args, Path(folder))
    print(f"load before {before:.1f}, after {os.getloadavg()[0]:.1f}")
    print(f"farm {ours:.1f} s, make -j{args.jobs} {bare:.1f} s, ratio {ours / bare:.2f} (aim {AIM})")


if __name__ == "__main__":
    main()
