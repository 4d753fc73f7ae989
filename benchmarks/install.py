"""How long `install.py` takes, beside bare `uv pip sync` and `pip install` of the same wheels, turn by turn.

    python benchmarks/install.py WHEELHOUSE SCRATCH [--turns 3] [--without-pip]

All three check hashes, ask no index, and begin with an empty environment and an empty cache on the same file system;
`uv` and `pip` are the ones of the wheelhouse. `install.py` also checks every file of the wheelhouse first and writes
the receipt. pip compiles byte code as it does by itself.
"""

from __future__ import annotations

import argparse
import platform
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from ascend_wheelhouse.node.wheels import Installer, choose


def seconds(action: Callable[[], object]) -> float:
    """Return how long an action takes."""
    started = time.monotonic()
    action()
    return time.monotonic() - started


def call(*words: str | Path) -> None:
    """Run a command, quietly."""
    subprocess.run(words, check=True, capture_output=True)


class Race:
    """The three ways to install one wheelhouse."""

    def __init__(self, wheelhouse: Path, scratch: Path, tool: Installer) -> None:
        self.wheelhouse, self.scratch, self.tool = wheelhouse, scratch, tool
        requirements = wheelhouse / f"requirements.{platform.machine()}.txt"
        options = ["--no-index", "--require-hashes", "--find-links", str(wheelhouse / "wheels")]
        self.wanted: Sequence[str] = [*options, "-r", str(requirements)]
        self.synced: Sequence[str] = [*options, str(requirements)]

    def fresh(self, name: str) -> Path:
        """Return a folder that does not exist."""
        shutil.rmtree(self.scratch / name, ignore_errors=True)
        return self.scratch / name

    def uv(self) -> None:
        """Install with uv alone."""
        folder, uv = self.fresh("bare"), self.tool.uv or "uv"
        call(uv, "venv", "--no-config", "--python", sys.executable, folder / "env")
        where = [
            "--no-config",
            "--offline",
            "--python",
            str(folder / "env"),
            "--cache-dir",
            str(folder / "cache"),
        ]
        call(uv, "pip", "sync", *where, *self.synced)

    def ours(self) -> None:
        """Install with the wheelhouse's own installer."""
        prefix = ("--prefix", self.fresh("ours"), "--insecure-no-signature")
        call(sys.executable, self.wheelhouse / "install.py", *prefix)

    def pip(self) -> None:
        """Install with pip as it is."""
        folder = self.fresh("pip")
        call(sys.executable, "-m", "venv", "--without-pip", folder)
        wheel = next((self.wheelhouse / "tools").glob("pip-*.whl"))
        options = ("--isolated", "--no-cache-dir", "--no-deps", "--disable-pip-version-check")
        call(folder / "bin/python", wheel / "pip", "install", *options, *self.wanted)


def main() -> None:
    """Measure and print the medians."""
    parser = argparse.ArgumentParser(description="Time install.py beside uv and pip.")
    parser.add_argument("wheelhouse", type=Path)
    parser.add_argument("scratch", type=Path)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--without-pip", action="store_true")
    options = parser.parse_args()
    options.scratch.mkdir(parents=True, exist_ok=True)
    tool = choose(options.wheelhouse / "tools", options.scratch, options.scratch / "log")
    race = Race(options.wheelhouse.absolute(), options.scratch.absolute(), tool)
    ways = {"uv pip sync": race.uv, "install.py": race.ours}
    if not options.without_pip:
        ways["pip install"] = race.pip
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(options.turns):
        for name, action in ways.items():
            times[name].append(seconds(action))
            print(f"{name:12} {times[name][-1]:7.1f} s", flush=True)
    base = statistics.median(times["install.py"])
    for name, found in times.items():
        middle = statistics.median(found)
        each = " ".join(f"{value:.1f}" for value in found)
        print(f"{name:12} {middle:7.1f} s, {middle / base:5.2f} of install.py   ({each})")


if __name__ == "__main__":
    main()
