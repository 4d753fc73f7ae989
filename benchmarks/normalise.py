"""Normalising a wheel of about 100 MB, beside `unzip` and `zip` of the same files at the same level.

    python benchmarks/normalise.py [--mib 100] [--rounds 3]

The wheel is made here: shared-object-like bytes that deflate to a third. Both sides run in turn, each in a process of
its own; the best of the rounds counts. Memory is the peak of the normalising process.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path

from ascend_wheelhouse.build.normalise import LEVEL

NAME = "big-1.0-py3-none-any.whl"
_OURS = """
import sys
from pathlib import Path
from ascend_wheelhouse.build.normalise import normalise_wheel
normalise_wheel(Path(sys.argv[1]), Path(sys.argv[2]), local_version="npu", epoch=1_700_000_000)
"""


def make_wheel(folder: Path, mebibytes: int) -> Path:
    """Write a wheel of about that size: repeated and random words, as machine code looks to deflate."""
    dice = random.Random(7)  # noqa: S311 - reproducible filler
    words = [dice.randbytes(12) for _ in range(4096)]
    path = folder / NAME
    info = "big-1.0.dist-info"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        number = 0
        while path.stat().st_size < mebibytes << 20:
            piece = b"".join(dice.choices(words, k=1 << 19))
            archive.writestr(f"big/lib{number}.so", piece)
            number += 1
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: big\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return path


def measured(command: Sequence[str | Path], folder: Path) -> tuple[float, float]:
    """Return wall seconds and the peak memory in MiB of a command run in a fresh folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    begin = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{command[0]} ended with status {process.returncode}")
    return time.perf_counter() - begin, usage.ru_maxrss / 1024


def main() -> None:
    """Measure and print the line for benchmarks/README.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mib", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        wheel = make_wheel(Path(scratch), options.mib)
        plain = f"unzip -q {wheel} -d files && cd files && zip -q -X -r -{LEVEL} ../again.zip ."
        ours = [sys.executable, "-c", _OURS, wheel, "."]
        times: dict[str, list[float]] = {"unzip + zip": [], "normalise": []}
        memory = 0.0
        for _ in range(options.rounds):
            times["unzip + zip"].append(measured(["sh", "-c", plain], Path(scratch, "plain"))[0])
            seconds, peak = measured(ours, Path(scratch, "ours"))
            times["normalise"].append(seconds)
            memory = max(memory, peak)
        base = min(times["unzip + zip"])
        for name, values in times.items():
            print(f"| {name} | {min(values):.1f} s | {min(values) / base:.2f} |")
        print(f"{wheel.stat().st_size >> 20} MiB wheel, peak memory of normalising {memory:.0f} MiB")


if __name__ == "__main__":
    main()
