"""How fast a set of wheels is audited, beside `auditwheel show` on its torch and torch_npu alone, turn by turn.

    python benchmarks/audit.py WHEELS [--turns 3]

WHEELS is a folder with a torch and a torch_npu wheel among the others. Each turn runs auditwheel on the two, the
audit of the whole folder with an empty store, and again with the facts of the first. Memory is the largest sum of the
proportional set sizes (Pss) of the audit's processes, sampled ten times a second.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[1]


def auditwheel(wheels: list[Path]) -> float:
    """Return the seconds of `auditwheel show` on each wheel, one after the other."""
    started = time.monotonic()
    for wheel in wheels:
        command = [sys.executable, "-m", "auditwheel", "show", str(wheel)]
        subprocess.run(command, check=True, capture_output=True)
    return time.monotonic() - started


def audit(folder: Path, store: Path) -> tuple[float, int]:
    """Return the seconds and the most bytes of `invoke audit` on a folder."""
    started, most = time.monotonic(), 0
    environment = os.environ | {"WHEELHOUSE_STORE": str(store)}
    command = [sys.executable, "-m", "invoke", "audit", "--wheelhouse", str(folder)]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as one:
        while one.poll() is None:
            most = max(most, sum(map(pss, family(one.pid))))
            time.sleep(0.1)
    return time.monotonic() - started, most


def family(pid: int) -> list[int]:
    """Return a process and all that descend from it."""
    try:
        tasks = Path(f"/proc/{pid}/task").iterdir()
        children = [int(word) for task in tasks for word in (task / "children").read_text().split()]
    except OSError:
        return []
    return [pid, *(one for child in children for one in family(child))]


def pss(pid: int) -> int:
    """Return a process's proportional set size in bytes; 0 when it has gone."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)


def turn(folder: Path, pair: list[Path]) -> tuple[float, float, float, int]:
    """Measure everything once."""
    with TemporaryDirectory() as store:
        alone = auditwheel(pair)
        cold, most = audit(folder, Path(store))
        warm, _ = audit(folder, Path(store))
    return alone, cold, warm, most


def main() -> None:
    """Print every turn and the medians."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("wheels", type=Path)
    words.add_argument("--turns", type=int, default=3)
    chosen = words.parse_args()
    folder = chosen.wheels.resolve()
    pair = [next(folder.glob("torch-*.whl")), next(folder.glob("torch_npu-*.whl"))]
    rows = [turn(folder, pair) for _ in range(chosen.turns)]
    for alone, cold, warm, most in rows:
        print(
            f"auditwheel {alone:.1f} s, audit {cold:.1f} s, again {warm:.2f} s, {most / 1e6:.0f} MB",
            flush=True,
        )
    alone, cold, warm, most = (statistics.median(column) for column in zip(*rows, strict=True))
    ratio = f"audit {cold:.1f} s ({cold / alone:.2f}x)"
    print(f"median: auditwheel {alone:.1f} s, {ratio}, again {warm:.2f} s, {most / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
