"""What it costs to hash files while they are placed: laying a store's files into a wheelhouse with and without.

    python benchmarks/placing.py SCRATCH [--lock PYLOCK] [--turns 5]

The files have the sizes of a committed lock and random content; they are made in SCRATCH, which should lie on the file
system that is of interest, and are in the page cache. Each side lays all of them into a fresh folder, the sides in
turn; medians. The first side is what `invoke wheelhouse` does in a run that wrote none of the files itself.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import resource
import shutil
import statistics
import tempfile
import time
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path

from ascend_wheelhouse.base.artifact import Artifact
from ascend_wheelhouse.folder import assemble
from ascend_wheelhouse.folder.manifest import ManifestEntry
from ascend_wheelhouse.store.store import CHUNK, Store

ROOT = Path(__file__).resolve().parents[1]
LOCK = "lockfiles/sglang0.5.6.post2-torch2.8.0-cann8.3.rc2-a3/pylock.aarch64.toml"


def fill(store: Store, sizes: Sequence[int]) -> list[ManifestEntry]:
    """Put a file of each size into the store."""
    dice = random.Random(7)  # noqa: S311 - reproducible filler
    entries = []
    for number, size in enumerate(sizes):
        with store.incoming() as path:
            with path.open("wb") as file:
                for start in range(0, size, CHUNK):
                    file.write(dice.randbytes(min(CHUNK, size - start)))
            digest = store.adopt(path)
        artifact = Artifact(filename=f"{number}.whl", size=size, sha256=digest)
        entries.append(ManifestEntry(artifact=artifact, folder="wheels", kind="wheel"))
    return entries


def hashed(root: Path, folder: Path, entries: Sequence[ManifestEntry]) -> None:
    """Place the files as the tool does: hashed on every core, then linked."""
    assemble.place(Store(root), folder, entries)


def linked(root: Path, folder: Path, entries: Sequence[ManifestEntry]) -> None:
    """Link the files and believe their names."""
    store = Store(root)
    (folder / "wheels").mkdir()
    for entry in entries:
        assemble.link_or_copy(store.path(entry.sha256), folder / entry.path)


def copied(root: Path, folder: Path, entries: Sequence[ManifestEntry]) -> None:
    """Copy the files and believe their names."""
    store = Store(root)
    (folder / "wheels").mkdir()
    for entry in entries:
        shutil.copyfile(store.path(entry.sha256), folder / entry.path)


def copied_and_hashed(root: Path, folder: Path, entries: Sequence[ManifestEntry]) -> None:
    """Copy the files and hash what is copied, in one pass."""
    store = Store(root)
    (folder / "wheels").mkdir()
    for entry in entries:
        digest = hashlib.sha256()
        with store.path(entry.sha256).open("rb") as source, (folder / entry.path).open("wb") as target:
            while piece := source.read(CHUNK):
                digest.update(piece)
                target.write(piece)
        if digest.hexdigest() != entry.sha256:
            raise SystemExit(f"{entry.path} differs")


SIDES: dict[str, Callable[[Path, Path, Sequence[ManifestEntry]], None]] = {
    "hashed, then linked (ours)": hashed,
    "linked": linked,
    "copied and hashed in one pass": copied_and_hashed,
    "copied": copied,
}


def cpu() -> float:
    """Return the processor seconds of this process so far, all threads."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Measure and print a table for benchmarks/README.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scratch", type=Path)
    parser.add_argument("--lock", type=Path, default=ROOT / LOCK)
    parser.add_argument("--turns", type=int, default=5)
    options = parser.parse_args()
    packages = tomllib.loads(options.lock.read_text("utf-8"))["packages"]
    sizes = [package["wheels"][0]["size"] for package in packages]
    options.scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=options.scratch) as scratch:
        entries = fill(Store(Path(scratch, "store")), sizes)
        walls: dict[str, list[float]] = {name: [] for name in SIDES}
        used: dict[str, list[float]] = {name: [] for name in SIDES}
        for _ in range(options.turns):
            for name, side in SIDES.items():
                with tempfile.TemporaryDirectory(dir=scratch) as folder:
                    os.sync()
                    begin, before = time.perf_counter(), cpu()
                    side(Path(scratch, "store"), Path(folder), entries)
                    walls[name].append(time.perf_counter() - begin)
                    used[name].append(cpu() - before)
    mebibytes = sum(sizes) / (1 << 20)
    print(f"{len(sizes)} files, {mebibytes:.0f} MiB, load {os.getloadavg()[0]:.1f}")
    for name in SIDES:
        wall, seconds = statistics.median(walls[name]), statistics.median(used[name])
        print(f"| {name} | {wall:.3f} | {seconds:.3f} |")
    plain = statistics.median(walls["copied"])
    ratio = statistics.median(walls["copied and hashed in one pass"]) / plain
    ours = statistics.median(walls["hashed, then linked (ours)"])
    print(f"one pass with the hash : copied = {ratio:.2f}; ours : copied = {ours / plain:.2f}")


if __name__ == "__main__":
    main()
