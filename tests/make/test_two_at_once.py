"""Two runs on one folder, one store, one bundle: whatever the order of their steps, both end well."""

from __future__ import annotations

import multiprocessing
import os
import random
from collections.abc import Callable
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from ascend_wheelhouse.base import occupied
from ascend_wheelhouse.base.artifact import Artifact
from ascend_wheelhouse.base.events import Event, Note, silent
from ascend_wheelhouse.folder import assemble
from ascend_wheelhouse.folder.check import check_sums
from ascend_wheelhouse.folder.manifest import NAME, ManifestEntry
from ascend_wheelhouse.store.store import Store
from ascend_wheelhouse.store.store_faults import DamagedBlobError

_CONTEXT = multiprocessing.get_context("fork")
_CONTENT = {f"wheels/{number}.whl": os.urandom(20_000) for number in range(6)}


def _entry(path: str, artifact: Artifact) -> ManifestEntry:
    return ManifestEntry(artifact=artifact, folder=str(Path(path).parent), kind="wheel")


def _write_folder(folder: Path, store: Store, pauses: random.Random) -> None:
    """Lay out and swap in a folder as a wheelhouse run does, with other work between its steps."""
    with assemble.replacing(folder) as part:
        entries = []
        for path, data in _CONTENT.items():
            _other_work(pauses)
            entries.append(_entry(path, store.artifact(Path(path).name, _added(store, data))))
        assemble.place(store, part, entries)
        (part / NAME).write_text("{}")
        assemble.write_sums(part, entries)
        _other_work(pauses)


def _drawn(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - an order that can be had again, not a secret


def _prune(store: Store, keep: list[str]) -> None:
    for _ in range(3):
        store.prune(lambda: keep)


def _added(store: Store, data: bytes) -> str:
    with store.incoming() as path:
        path.write_bytes(data)
        return store.adopt(path)


def _other_work(pauses: random.Random) -> None:
    for _ in range(pauses.randrange(4)):
        os.sched_yield()
        sum(range(pauses.randrange(30_000)))


def _in_process(work: Callable[[], None], start: Barrier, seed: int) -> None:
    start.wait()
    _other_work(_drawn(seed))
    work()


def _together(seed: int, *works: Callable[[], None]) -> list[int | None]:
    """Run each in a process of its own, released at the same moment, and return their exit statuses."""
    start = _CONTEXT.Barrier(len(works))
    started = [
        _CONTEXT.Process(target=_in_process, args=(work, start, seed + number))
        for number, work in enumerate(works)
    ]
    for process in started:
        process.start()
    for process in started:
        process.join()
    return [process.exitcode for process in started]


def _read_folder(folder: Path) -> None:
    with occupied.reading(folder):
        for path, data in _CONTENT.items():
            assert (folder / path).read_bytes() == data


@pytest.mark.parametrize("seed", range(50))
def test_two_writers_a_reader_and_a_pruner_end_well_in_any_order(tmp_path: Path, seed: int) -> None:
    """A folder stands before and after, whole, and nothing is left beside it."""
    store, folder = Store(tmp_path / "store"), tmp_path / "w"
    _write_folder(folder, store, _drawn(seed))
    keep = [path.name for path in (tmp_path / "store" / "blobs").rglob("*") if path.is_file()]

    statuses = _together(
        seed,
        lambda: _write_folder(folder, Store(store.root), _drawn(seed + 1)),
        lambda: _write_folder(folder, Store(store.root), _drawn(seed + 2)),
        lambda: _read_folder(folder),
        lambda: _prune(Store(store.root), keep),
    )

    assert statuses == [0, 0, 0, 0]
    assert check_sums(folder, silent) == len(_CONTENT) + 1
    assert sorted(path.name for path in tmp_path.iterdir()) == [".state", "store", "w"]


def test_who_waits_is_told_for_which_process(tmp_path: Path) -> None:
    told: list[Event] = []
    go, held = _CONTEXT.Event(), _CONTEXT.Event()

    def hold() -> None:
        with occupied.writing(tmp_path / "w"):
            held.set()
            go.wait()

    process = _CONTEXT.Process(target=hold)
    process.start()
    held.wait()

    def hear(event: Event) -> None:
        told.append(event)
        go.set()

    with occupied.writing(tmp_path / "w", hear):
        process.join()
    assert told == [Note(text=f"waiting: process {process.pid} is at work on w", level="warning")]


def test_at_no_moment_of_a_swap_is_there_no_folder(tmp_path: Path) -> None:
    """A reader that opens the name all the time always finds a folder."""
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
    stop = _CONTEXT.Event()

    def look() -> None:
        while not stop.is_set():
            os.stat(tmp_path / "old")  # noqa: PTH116 - as quick as can be

    process = _CONTEXT.Process(target=look)
    process.start()
    for _ in range(2000):
        occupied.swap(tmp_path / "new", tmp_path / "old")
    stop.set()
    process.join()
    assert process.exitcode == 0


def test_where_the_kernel_cannot_exchange_a_killed_swap_is_recovered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(occupied, "_renameat2", None)
    for name in ("w", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    occupied.swap(tmp_path / "new", tmp_path / "w")
    assert (tmp_path / "w" / "new").exists()
    assert (tmp_path / "new" / "w").exists()

    (tmp_path / "w").rename(occupied.aside(tmp_path / "w"))
    occupied.recover(tmp_path / "w")
    assert (tmp_path / "w" / "new").exists()


def test_a_blob_changed_at_the_same_size_is_not_placed(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    digest = _added(store, b"good")
    path = store.path(digest)
    times = path.stat()
    path.chmod(0o644)
    path.write_bytes(b"evil")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    entry = _entry("wheels/a.whl", Artifact(filename="a.whl", size=4, sha256=digest))

    for holder in (store, Store(store.root)):
        if not path.exists():
            path.write_bytes(b"evil")
        with pytest.raises(DamagedBlobError, match=digest):
            assemble.place(holder, tmp_path / "w", [entry])
    assert not (tmp_path / "w" / "wheels" / "a.whl").exists()
