"""How fast a finished wheelhouse is re-hashed, beside `sha256sum`, on one core and on all.

    python benchmarks/check.py FOLDER [--turns 3]

Files are read once before, so that the disk is not measured.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ascend_wheelhouse.store.proven import file_sha256


def ours(files: Sequence[Path], cores: int) -> None:
    """Hash the files as `--check` does, the biggest first."""
    with ThreadPoolExecutor(cores) as pool:
        list(pool.map(file_sha256, files))


def sha256sum(files: Sequence[Path], cores: int) -> None:
    """Hash the files with coreutils, one process a core, one file at a time each."""
    names = b"\0".join(bytes(path) for path in files)
    words = ["xargs", "-0", "-n", "1", "-P", str(cores), "sha256sum"]
    subprocess.run(
        words if cores > 1 else ["xargs", "-0", "sha256sum"], input=names, check=True, capture_output=True
    )


def rate(action: Callable[[Sequence[Path], int], None], files: Sequence[Path], cores: int) -> float:
    """Return MB/s of one run."""
    started = time.monotonic()
    action(files, cores)
    return sum(path.stat().st_size for path in files) / (time.monotonic() - started) / 1e6


def main() -> None:
    """Measure both on one core and on all, in turn."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--turns", type=int, default=3)
    options = parser.parse_args()
    found = [path for path in options.folder.rglob("*") if path.is_file()]
    files = sorted(found, key=lambda path: -path.stat().st_size)
    ours(files, 1)
    print(f"{len(files)} files, {sum(path.stat().st_size for path in files) / 1e6:.0f} MB")
    for cores in dict.fromkeys((1, len(os.sched_getaffinity(0)))):
        turns = [(rate(ours, files, cores), rate(sha256sum, files, cores)) for _ in range(options.turns)]
        mine, theirs = (statistics.median(column) for column in zip(*turns, strict=True))
        print(
            f"{cores} core(s): ours {mine:.0f} MB/s, sha256sum {theirs:.0f} MB/s, ratio {mine / theirs:.2f}"
        )


if __name__ == "__main__":
    main()
