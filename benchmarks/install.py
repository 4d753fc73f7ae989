"""How long `install.py` takes, beside bare `uv pip sync` and `pip install` of the same wheels, turn by turn.

    python benchmarks/install.py WHEELHOUSE SCRATCH [--turns 3] [--bundle FILE.tar] [--without-pip]

All three check hashes, ask no index, and begin with an empty environment and an empty cache on the same file system;
`uv` and `pip` are the ones of the wheelhouse. `install.py` also checks every file of the wheelhouse first and writes
the receipt. pip compiles byte code as it does by itself.

SCRATCH should be a new file system, or one where nothing was removed for six minutes: ext4 does not take an inode
again that was freed so lately, and looks at each of them for every new file (its `recently_deleted`), which makes an
install of 45,000 files take 8 to 40 s instead of 5. Hence nothing is removed until the last turn is over, but with
`--remove`, for a tmpfs: there a virtual machine's untouched memory costs more than memory that was used before.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from ascend_wheelhouse.node.install.wheels import Installer, choose


def settle(scratch: Path, read: Sequence[Path] = ()) -> None:
    """Wait until nothing of the turn before works on, and read what is installed from into the page cache."""
    while any(scratch.glob("*/.trash-*")):
        time.sleep(0.1)
    os.sync()
    for path in read:
        with path.open("rb") as stream:
            while stream.read(1 << 20):
                pass


def seconds(action: Callable[[Path], object], folder: Path, read: Sequence[Path]) -> float:
    """Return how long an action takes in a new folder."""
    settle(folder.parent, read)
    started = time.monotonic()
    action(folder)
    return time.monotonic() - started


def call(*words: str | Path) -> None:
    """Run a command, quietly."""
    subprocess.run(words, check=True, capture_output=True)


class Race:
    """The ways to install one wheelhouse."""

    def __init__(self, wheelhouse: Path, tool: Installer) -> None:
        self.wheelhouse, self.tool = wheelhouse, tool
        requirements = wheelhouse / f"requirements.{platform.machine()}.txt"
        options = ["--no-index", "--require-hashes", "--find-links", str(wheelhouse / "wheels")]
        self.wanted: Sequence[str] = [*options, "-r", str(requirements)]
        self.synced: Sequence[str] = [*options, str(requirements)]

    def uv(self, folder: Path) -> None:
        """Install with uv alone."""
        uv = self.tool.uv or "uv"
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

    def ours(self, folder: Path) -> None:
        """Install with the wheelhouse's own installer."""
        prefix = ("--prefix", folder, "--insecure-no-signature")
        call(sys.executable, self.wheelhouse / "install.py", *prefix)

    def packed(self, bundle: Path, folder: Path) -> None:
        """Install from a bundle, which is unpacked on the way."""
        words = ("--prefix", folder, "--insecure-no-signature", "--bundle", bundle)
        call(sys.executable, self.wheelhouse / "install.py", *words)

    def pip(self, folder: Path) -> None:
        """Install with pip as it is."""
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
    parser.add_argument("--bundle", type=Path, help="the wheelhouse as one file, to be installed too")
    parser.add_argument("--remove", action="store_true", help="remove each turn's files before the next turn")
    parser.add_argument("--without-pip", action="store_true")
    options = parser.parse_args()
    options.scratch.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix="turns-", dir=options.scratch.absolute()))
    race = Race(options.wheelhouse.absolute(), choose(options.wheelhouse / "tools", scratch, scratch / "log"))
    ways: dict[str, Callable[[Path], object]] = {"uv pip sync": race.uv, "install.py": race.ours}
    if options.bundle:
        ways["bundle"] = partial(race.packed, options.bundle.absolute())
    if not options.without_pip:
        ways["pip install"] = race.pip
    read = [*options.wheelhouse.glob("*/*.whl"), *([options.bundle] if options.bundle else [])]
    times: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(options.turns):
        for name, action in ways.items():
            folder = scratch / f"{name.split()[0]}-{turn}"
            times[name].append(seconds(action, folder, read))
            if options.remove:
                settle(scratch)
                shutil.rmtree(folder)
            print(f"{name:12} {times[name][-1]:7.1f} s", flush=True)
    base = statistics.median(times["uv pip sync"])
    for name, found in times.items():
        middle = statistics.median(found)
        each = " ".join(f"{value:.1f}" for value in found)
        print(f"{name:12} {middle:7.1f} s, {middle / base:5.2f} of uv pip sync   ({each})")
    settle(scratch)
    shutil.rmtree(scratch)


if __name__ == "__main__":
    main()
