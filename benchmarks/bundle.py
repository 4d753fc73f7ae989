"""How fast a wheelhouse is packed and proven, beside `tar` and `sha256sum`, turn by turn on the same files.

    python benchmarks/bundle.py WHEELHOUSE SCRATCH [--turns 5]

Files are read once before, so that the disk is not measured; every turn writes to new files. `sha256sum` runs once
on one core and once a process a core. `openssl dgst` shows what the processor's own SHA instructions give.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from ascend_wheelhouse.bundle.command import bundle_command, rebuild_bundle, verify_bundle
from ascend_wheelhouse.folder.signing import generate_key


def seconds(action: Callable[[], object]) -> float:
    """Return how long an action takes."""
    started = time.monotonic()
    action()
    return time.monotonic() - started


def xargs(files: list[Path], *words: str, cores: int = 1) -> None:
    """Run a command over files, one process a core."""
    names = b"\0".join(bytes(path) for path in files)
    some = ["-n", "1", "-P", str(cores)] if cores > 1 else []
    subprocess.run(["xargs", "-0", *some, *words], input=names, check=True, capture_output=True)


def turn(wheelhouse: Path, scratch: Path, files: list[Path]) -> dict[str, float]:
    """Measure everything once, into new files."""
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    key = generate_key(scratch / "key")
    bundle, plain, delta = scratch / "bundle.tar", scratch / "plain.tar", scratch / "delta.tar"
    cores = len(os.sched_getaffinity(0))

    def pack(out: Path, base: Path | None = None) -> None:
        bundle_command(wheelhouse, out=out, sign_key=key.path, serial=1, base=base, allow_incomplete=True)

    return {
        "tar": seconds(lambda: subprocess.run(["tar", "-cf", plain, "-C", wheelhouse, "."], check=True)),
        "bundle": seconds(lambda: pack(bundle)),
        "sha256sum": seconds(lambda: xargs(files, "sha256sum")),
        f"sha256sum, {cores} at once": seconds(lambda: xargs(files, "sha256sum", cores=cores)),
        f"openssl dgst, {cores} at once": seconds(
            lambda: xargs(files, "openssl", "dgst", "-sha256", cores=cores)
        ),
        "verify": seconds(lambda: verify_bundle(bundle, trusted_key=key.fingerprint)),
        "delta against itself": seconds(lambda: pack(delta, bundle)),
        "rebuild": seconds(
            lambda: rebuild_bundle(delta, bundle, scratch / "whole.tar", trusted_key=key.fingerprint)
        ),
    }


def main() -> None:
    """Print median and best of every figure, and the two ratios that are promised."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("wheelhouse", type=Path)
    parser.add_argument("scratch", type=Path, help="a folder that this may empty")
    parser.add_argument("--turns", type=int, default=5)
    options = parser.parse_args()
    files = sorted(
        (path for path in options.wheelhouse.rglob("*") if path.is_file()),
        key=lambda path: -path.stat().st_size,
    )
    size = sum(path.stat().st_size for path in files)
    xargs(files, "cat")
    turns = [turn(options.wheelhouse, options.scratch, files) for _ in range(options.turns)]
    print(f"{len(files)} files, {size / 1e6:.0f} MB, {options.turns} turns; load {os.getloadavg()[0]:.1f}")
    for how, choose in (("median", statistics.median), ("best", min)):
        took = {name: choose([each[name] for each in turns]) for name in turns[0]}
        for name, each in took.items():
            print(f"{how:6} {name:28} {each:6.2f} s {size / each / 1e6:8.0f} MB/s")
        summed = next(name for name in took if name.startswith("sha256sum,"))
        print(f"{how}: bundle at {took['tar'] / took['bundle']:.0%} of tar's speed")
        print(f"{how}: verify at {took[summed] / took['verify']:.0%} of the speed of {summed}")
    shutil.rmtree(options.scratch)


if __name__ == "__main__":
    main()
