"""What a host does with a project folder on NFS: `nfs_project.py ROOT found|make|sets NUMBER`.

`make` runs `invoke wheelhouse` in it. `sets` writes the files of one lock again and again, and reads them each time;
`sets` of another number does the same with other files.
"""

from __future__ import annotations

import sys
from pathlib import Path

from index_server import serving
from small_world import World, found, furnish

from ascend_wheelhouse.base import whole_file
from ascend_wheelhouse.base.events import silent
from ascend_wheelhouse.folder.check import check_sums
from ascend_wheelhouse.store.store import Store

_TURNS = 30
_FILES = ("pylock.toml", "requirements.txt", "sources.toml")


def _make(root: Path) -> str:
    with serving() as index:
        furnish(index)
        world = World(root=root, index=index)
        done = world.make()
        if done.status:
            return f"ended with {done.status}: {done.out}{done.err}"
        store = Store(world.store)
        blobs = [blob.sha256 for blob in store.blobs()]
        store.prove(blobs)
        check_sums(world.folder, silent)
        return f"made a whole one of {len(blobs)} blobs"


def _sets(folder: Path, number: str) -> str:
    whole = 0
    for turn in range(_TURNS):
        content = f"{number} {turn}".encode() * 1000
        whole_file.write_set(folder, "lock", dict.fromkeys(_FILES, content))
        with whole_file.reading(folder):
            whole += len({(folder / name).read_bytes() for name in _FILES}) == 1
    return f"read {whole} of {_TURNS} whole"


def _found(root: Path) -> str:
    with serving() as index:
        found(root, index)
    return "founded"


def main() -> None:
    """Do what the command line says."""
    root, verb, number = sys.argv[1:]
    place = Path(root)
    steps = {
        "found": lambda: _found(place),
        "make": lambda: _make(place),
        "sets": lambda: _sets(place / "lockfiles/one", number),
    }
    sys.stdout.write(f"{steps[verb]()}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
