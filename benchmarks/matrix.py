"""Eight cells in one run, beside the one biggest cell alone and the bytes that only the others need.

    python benchmarks/matrix.py --cells 8 --work FOLDER [--megabits 200]

An index on the loopback serves the files of committed locks out of the user's store, so that nothing is downloaded;
both sides begin with an empty store of their own. With `--megabits` the index is in a second network namespace, behind
a line of that rate and 30 ms. The aim: at most 1.5 times what the biggest cell takes alone and what the bytes that it
lacks take in a bare download, or at the full rate of that line, all in one run. Origins of pending components do not
answer.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

from link import THERE, enter, neighbour
from lock_folder import named

from ascend_wheelhouse.store.store import Store

ROOT = Path(__file__).parents[1]
LOOPBACK, PORT = "127.0.0.1", 8766
ROUND_TRIP_MS = 30.0
INVOKE = Path(sys.executable).parent / "invoke"
AIM = 1.5


Cell = tuple[str, str]
"""The folder of a lock, and its platform."""
Files = Mapping[str, tuple[str, int]]
"""The sha256 and the size of each file, by its name."""


def whole_cells() -> dict[Cell, Files]:
    """Return the committed locks all of whose files the user's store holds."""
    store = Store()
    found: dict[Cell, Files] = {}
    for path in sorted((ROOT / "lockfiles").glob("*/pylock.*.toml")):
        platform = path.name.split(".")[1]
        if not (path.parent / f"sources.{platform}.toml").is_file():
            continue
        files = dict(named(path.parent, platform))
        if all(map(store.has, files.values())):
            sizes = {name: (digest, store.size_of(digest)) for name, digest in files.items()}
            found[path.parent.name, platform] = sizes
    return found


@contextmanager
def served(cells: Mapping[Cell, Files], work: Path, megabits: float) -> Iterator[str]:
    """Serve the files of the cells until the block ends, and give the address and port of the server."""
    store, folder = Store(), work / "files"
    (folder / "build").mkdir(parents=True)
    for files in cells.values():
        for name, (digest, _size) in files.items():
            if not (folder / name).is_symlink():
                (folder / name).symlink_to(store.path(digest))
    address = THERE if megabits else LOOPBACK
    words = [
        sys.executable,
        str(Path(__file__).with_name("static_index.py")),
        str(folder),
        address,
        str(PORT),
    ]
    if megabits:
        with neighbour(words, bits_per_second=megabits * 1e6, round_trip_ms=ROUND_TRIP_MS) as kind:
            print(f"{megabits:g} Mbit/s, {ROUND_TRIP_MS:g} ms round trip, by {kind}", flush=True)
            yield f"{address}:{PORT}"
        return
    server = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    try:
        if server.stdout is None or server.stdout.readline() != "ready\n":
            raise SystemExit("the index did not start")
        yield f"{address}:{PORT}"
    finally:
        server.terminate()
        server.wait()


def options(cell: Cell) -> dict[str, str]:
    """Return the options of the cell of a lock."""
    name, platform = cell
    document = tomllib.loads((ROOT / "lockfiles" / name / f"pylock.{platform}.toml").read_text())
    stated = document["tool"]["ascend-wheelhouse"]["cell"]
    axes = ("torch", "cann", "sglang", "npu", "glibc")
    return {"platform": platform, **{axis: str(stated[axis]) for axis in axes if stated.get(axis)}}


def matrix(cells: list[dict[str, str]], place: Path, server: str) -> float:
    """Make cells from an empty store and return the seconds."""
    place.mkdir()
    tables = (
        "[[include]]\n" + "".join(f'{key} = "{value}"\n' for key, value in one.items()) for one in cells
    )
    (place / "matrix.toml").write_text("\n".join(tables))
    environment = {
        **os.environ,
        "WHEELHOUSE_STORE": str(place / "store"),
        "PIP_INDEX_URL": f"http://{server}/simple",
        "PIP_TRUSTED_HOST": THERE,
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_RETRIES": "0",
    }
    words: list[str | Path] = [
        INVOKE,
        "matrix",
        "--file",
        place / "matrix.toml",
        "--output",
        place / "out",
        "--json",
    ]
    began = time.monotonic()
    done = subprocess.run(words, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    took = time.monotonic() - began
    made = [one for one in json.loads(done.stdout)["cells"] if one["folder"]]
    if done.returncode or len(made) != len(cells):
        raise SystemExit(f"ended with {done.returncode}:\n{done.stdout}")
    return took


def bare(names: list[str], server: str) -> float:
    """Download files one after the other, nothing hashed or kept, and return the seconds."""
    began = time.monotonic()
    for name in names:
        with urlopen(f"http://{server}/files/{Path(name).name}") as answer:
            while answer.read(1 << 20):
                pass
    return time.monotonic() - began


def main() -> None:
    """Measure both sides and print them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=8)
    parser.add_argument("--work", type=Path, required=True, help="an empty folder for both sides")
    parser.add_argument(
        "--megabits", type=float, default=0, help="the rate of a line, in Mbit/s; none without it"
    )
    given = parser.parse_args()
    if given.megabits:
        enter()
    given.work.mkdir(parents=True)
    found = dict(list(whole_cells().items())[-given.cells :])
    biggest = max(found, key=lambda cell: sum(size for _, size in found[cell].values()))
    others = {name: size for files in found.values() for name, (_, size) in files.items()}
    more = sorted(others.keys() - found[biggest].keys())
    size = sum(others[one] for one in more) / 1e6
    with served(found, given.work, given.megabits) as server:
        chosen = [options(cell) for cell in found]
        alone = matrix([options(biggest)], given.work / "alone", server)
        line = size * 8 / given.megabits if given.megabits else bare(more, server)
        together = matrix(chosen, given.work / "together", server)
    print(f"{len(found)} cells, biggest {' '.join(biggest)}; {len(more)} more files, {size:.0f} MB")
    print(f"biggest alone {alone:.1f} s, bytes of the others {line:.1f} s, all {together:.1f} s")
    print(f"ratio {together / (alone + line):.2f} (aim {AIM})")
    print(
        f"the bytes of the others set aside: {(together - line) / alone:.2f} of the biggest alone (aim {AIM})"
    )
    shutil.rmtree(given.work)


if __name__ == "__main__":
    main()
