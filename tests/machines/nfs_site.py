"""What a host does with a cache and a store on NFS: `nfs_site.py CACHE SITE push|pull|fill NUMBER...`."""

from __future__ import annotations

import os
import sys
from io import BytesIO
from pathlib import Path

from ascend_wheelhouse.base.events import Event, Note
from ascend_wheelhouse.shared_cache.backed_store import store_with
from ascend_wheelhouse.shared_cache.choice import CacheChoice
from ascend_wheelhouse.store.store import Store

_BYTES = 2_000_000


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _say(event: Event) -> None:
    if isinstance(event, Note):
        _print(f"{event.level}: {event.text}")


def _push(store: Store, number: str) -> bool:
    sha256 = store.add(BytesIO(number.encode() * _BYTES))
    store.put_result(_key(number), {"file": sha256})
    assert store.behind
    store.behind.offer_result(_key(number), [store.artifact("a.bundle", sha256)], None)
    return True


def _pull(store: Store, number: str) -> bool:
    assert store.behind
    if not store.behind.bring_result(_key(number)):
        return False
    record = store.result(_key(number))
    return record is not None and store.path(record["file"]).read_bytes() == number.encode() * _BYTES


def _key(number: str) -> str:
    return f"build-{number * 64}"


def _fill(root: Path, number: str) -> None:
    found = 0
    for turn in range(30):
        store = Store(root)  # each clears away once
        content = f"{number} {turn}".encode() * 200_000
        found += store.path(store.add(BytesIO(content))).read_bytes() == content
    _print(f"filled {found} of 30")


def main() -> None:
    """Do what the command line says."""
    cache, site, verb, *numbers = sys.argv[1:]
    os.environ["WHEELHOUSE_STORE"] = f"{site}/store"
    if verb == "fill":
        _fill(Path(site) / "store", numbers[0])
        return
    key = Path("/job/key")
    choice = CacheChoice(
        urls=(f"file://{cache}",), key=key if verb == "push" else None, trust=("/job/key.pub",)
    )
    with store_with(choice, _say) as store:
        done = [(_push if verb == "push" else _pull)(store, number) for number in numbers]
    _print(f"{verb}ed {sum(done)} of {len(numbers)}")


if __name__ == "__main__":
    main()
