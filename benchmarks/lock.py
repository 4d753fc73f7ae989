"""Locking the 2.8.0 aarch64 stack, beside a bare `uv pip compile` of the same question.

    python benchmarks/lock.py [--rounds 3] [--resolver uv] [--cold]

uv takes the answer that stands in its output file for preferences, and then asks for less. So the bare question has two
rows: with no earlier answer there, which is what a lock asks, and with its own.

Every figure is the best of the rounds, taken in turn so that a busy machine slows all sides, each in a process of its
own: wall time, its ratio, and processor time. Caches are warm; `--cold` gives each run empty ones.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from ascend_wheelhouse.cells.request import Request
from ascend_wheelhouse.cells.target import Target
from ascend_wheelhouse.make.asked_cell import cell_of
from ascend_wheelhouse.make.project_folder import ProjectFolder
from ascend_wheelhouse.resolve.request import ResolveRequest
from ascend_wheelhouse.resolve.resolvers import RESOLVERS
from ascend_wheelhouse.resolve.tool import ANSWER
from ascend_wheelhouse.resolve.uv import compile_command

ALONE, AGAIN = "bare uv pip compile", "bare uv pip compile, over its own answer"
ROOT = Path(__file__).resolve().parents[1]
TARGET = Target(machine="aarch64")
_LOCK = """
import sys
from pathlib import Path
from ascend_wheelhouse.cells.request import Request
from ascend_wheelhouse.cells.target import Target
from ascend_wheelhouse.make.building import building_of
from ascend_wheelhouse.make.fetcher import Fetcher
from ascend_wheelhouse.make.new_lock import locking_of
from ascend_wheelhouse.make.options import LockChoice
from ascend_wheelhouse.make.asked_cell import cell_of
from ascend_wheelhouse.make.project_folder import ProjectFolder
from ascend_wheelhouse.store.store import Store
folder = ProjectFolder.load(Path(sys.argv[1]))
fetcher = Fetcher(recipes=folder.recipes, store=Store(Path(sys.argv[2])))
options = LockChoice(request=Request(torch="2.8.0", target=Target(machine="aarch64")), resolver=sys.argv[3])
building = building_of(cell_of(options.request, folder), folder, fetcher)
print(len(locking_of(options, folder, building).lock().wheels), file=sys.stderr)
"""


def question() -> ResolveRequest:
    """Return what the committed lock of the stack was asked."""
    folder = ProjectFolder.load(ROOT)
    lock = folder.committed_lock(cell_of(Request(torch="2.8.0", target=TARGET), folder))
    if lock is None:
        sys.exit("no committed lock for torch 2.8.0 on aarch64: run `invoke lock` first")
    asked = lock.inputs
    limit = asked.exclude_newer
    return ResolveRequest(
        requirements=asked.requirements,
        constraints=asked.constraints,
        excludes=asked.excludes,
        target=TARGET,
        exclude_newer=datetime.fromisoformat(limit) if limit else None,
    )


def bare(request: ResolveRequest, folder: Path) -> list[str]:
    """Lay the question down in files and return uv's command."""
    (folder / "requirements.in").write_text("\n".join(request.requirements))
    (folder / "constraints.in").write_text("\n".join(request.bounds))
    (folder / "overrides.in").write_text(
        "\n".join(f"{n} ; sys_platform == 'never'" for n in request.excludes)
    )
    return compile_command(request)


def measured(command: Sequence[str], folder: Path, *, cold: bool) -> tuple[float, float]:
    """Return the wall time and the processor time of a command and its children, in seconds."""
    with tempfile.TemporaryDirectory() as empty:
        caches = {"UV_CACHE_DIR": f"{empty}/uv", "PIP_CACHE_DIR": f"{empty}/pip"}
        caches |= {"XDG_CACHE_HOME": f"{empty}/cache"}
        begin = time.perf_counter()
        environ = {**os.environ, **(caches if cold else {})}
        process = subprocess.Popen(command, cwd=folder, env=environ, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            sys.exit(f"{command[0]} ended with status {process.returncode}")
        return time.perf_counter() - begin, usage.ru_utime + usage.ru_stime


def main() -> None:
    """Measure and print the table for benchmarks/README.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cold", action="store_true")
    parser.add_argument("--resolver", choices=RESOLVERS, action="append", help="all when left out")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        ours = [sys.executable, "-c", _LOCK, str(ROOT), str(folder / "store")]
        commands = {
            ALONE: bare(question(), folder),
            AGAIN: bare(question(), folder),
            **{f"whole lock with {name}": [*ours, name] for name in options.resolver or RESOLVERS},
        }
        if not options.cold:
            for command in commands.values():
                measured(command, folder, cold=False)
        best = dict.fromkeys(commands, (float("inf"), float("inf")))
        for _ in range(options.rounds):
            for name, command in commands.items():
                if name == ALONE:
                    (folder / ANSWER).unlink(missing_ok=True)
                wall, cpu = measured(command, folder, cold=options.cold)
                best[name] = (min(best[name][0], wall), min(best[name][1], cpu))
    base = best[ALONE][0]
    for name, (wall, cpu) in best.items():
        print(f"| {name} | {wall:.1f} s | {wall / base:.2f} | {cpu:.1f} s |")


if __name__ == "__main__":
    main()
