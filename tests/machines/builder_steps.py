"""What a machine runs that makes a wheelhouse and packs it: a program, started with `make` or `judge` and a folder.

`make` touches `/job/made` and `/job/packed` where a command ended. `judge` reads what a cut left, and prints it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from index_server import serving
from small_world import World, furnish

from ascend_wheelhouse.base.events import silent
from ascend_wheelhouse.bundle.command import verify_bundle
from ascend_wheelhouse.folder.check import check_sums
from ascend_wheelhouse.store.store import Store

_JOB = Path("/job")
_BUNDLE = "bundle.tar"


def make(world: World) -> dict[str, object]:
    """Make the wheelhouse, then the bundle; return what is there then."""
    _run(world, "wheelhouse", "--resolver", "uv", "--json")
    (_JOB / "made").touch()
    _run(world, "bundle", "--out", _BUNDLE, "--serial", "1", "--allow-incomplete")
    (_JOB / "packed").touch()
    return judge(world)


def _run(world: World, *words: str) -> None:
    done = world.invoke(*words)
    if done.status:
        raise SystemExit(f"{words[0]} ended with {done.status}:\n{done.out}{done.err}")


def judge(world: World) -> dict[str, object]:
    """Return what is there; what is there and not whole raises.

    A blob has the bytes that its name says, a wheelhouse those of its sums, and a bundle those of its head.
    """
    store = Store(world.store)
    blobs = [blob.sha256 for blob in store.blobs()]
    store.prove(blobs)
    whole = [path for path in (world.root / "wheelhouse").glob("[!.]*") if path.is_dir()]
    for folder in whole:
        check_sums(folder, silent)
    bundle = world.root / _BUNDLE
    if bundle.exists():
        verify_bundle(bundle, insecure=True)
    return {"blobs": len(blobs), "wheelhouses": len(whole), "bundle": bundle.exists()}


def main() -> None:
    """Do what the words of the command say, in a project that is there."""
    root = Path(sys.argv[2])
    with serving() as index:
        furnish(index)
        world = World(root=root, index=index)
        sys.stdout.write(json.dumps({"make": make, "judge": judge}[sys.argv[1]](world)) + "\n")


if __name__ == "__main__":
    main()
