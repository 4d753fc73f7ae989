"""Two runs on one folder, one store, one bundle: whatever the order of their steps, both end well."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest
from bundle_fixtures import FILES, TORCH, manifest_of, to_json
from index_server import Index, client, serving
from offering import offered

from ascend_wheelhouse.base import occupied
from ascend_wheelhouse.base.artifact import Artifact
from ascend_wheelhouse.base.events import Event, Note, silent
from ascend_wheelhouse.bundle.command import bundle_command, verify_bundle
from ascend_wheelhouse.fetch.fetch import fetch_all
from ascend_wheelhouse.fetch.transfer import Download
from ascend_wheelhouse.folder import assemble
from ascend_wheelhouse.folder.check import check_sums
from ascend_wheelhouse.folder.manifest import NAME, ManifestEntry
from ascend_wheelhouse.node import layout
from ascend_wheelhouse.origins.http import Http
from ascend_wheelhouse.store.store import Store
from ascend_wheelhouse.store.store_faults import DamagedBlobError

_CONTEXT = multiprocessing.get_context("fork")
_CONTENT = {f"wheels/{number}.whl": os.urandom(20_000) for number in range(6)}


def _entry(path: str, artifact: Artifact) -> ManifestEntry:
    return ManifestEntry(artifact=artifact, folder=str(Path(path).parent), kind="wheel")


def _write_folder(
    folder: Path, store: Store, pauses: random.Random, content: Mapping[str, bytes] = _CONTENT
) -> None:
    """Lay out and swap in a folder as a wheelhouse run does, with other work between its steps."""
    with store.in_use(), assemble.replacing(folder) as part:
        entries = []
        for path, data in content.items():
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


def _prune_until(over: Path, store: Store) -> None:
    """Prune all that nothing names, again and again, until the other run is over."""
    while not over.exists():
        store.prune(list)


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
    """Run each in a process of its own, released at the same time, and return their exit statuses."""
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


def _clone(root: Path, store: Store, seed: int) -> None:
    """Work in one clone: make a wheelhouse, and prune the store to what this clone's own lock names."""
    content = {f"wheels/{number}.whl": f"{root.name} {number}".encode() * 900 for number in range(4)}
    content["wheels/shared.whl"] = b"in both" * 900
    named = {hashlib.sha256(data).hexdigest() for data in content.values()}
    pauses = _drawn(seed)
    for _ in range(2):
        _write_folder(root / "w", store, pauses, content)
        _other_work(pauses)
        store.prune(lambda: named)


@pytest.mark.parametrize("seed", range(50))
def test_two_clones_on_one_store_end_well_in_any_order(tmp_path: Path, seed: int) -> None:
    """Each prunes what only the other's lock names, and neither loses a file that it is about to place."""
    root = tmp_path / "store"
    clones = [tmp_path / name for name in ("a", "b")]
    for clone in clones:
        clone.mkdir()

    statuses = _together(
        seed, *(partial(_clone, clone, Store(root), seed + number) for number, clone in enumerate(clones))
    )

    assert statuses == [0, 0]
    assert [check_sums(clone / "w", silent) for clone in clones] == [6, 6]


def _add_again(store: Store, data: bytes, over: Path) -> None:
    while not over.exists():
        _added(store, data)


def _place_again(store: Store, entry: ManifestEntry, folder: Path, over: Path) -> None:
    with ExitStack() as stack:
        stack.callback(over.touch)
        for number in range(2000):
            assemble.place(store, folder / str(number), [entry])


def test_a_file_that_another_run_adds_once_more_is_placed_all_the_time(tmp_path: Path) -> None:
    """The blob is renamed over itself: the kernel refuses to link a file whose last name goes meanwhile."""
    store, data, over = Store(tmp_path / "store"), b"in both" * 900, tmp_path / "over"
    entry = _entry("shared.whl", store.artifact("shared.whl", _added(store, data)))

    statuses = _together(
        0,
        partial(_add_again, Store(store.root), data, over),
        partial(_place_again, store, entry, tmp_path / "w", over),
    )

    assert statuses == [0, 0]
    assert {path.read_bytes() for path in tmp_path.glob("w/*/shared.whl")} == {data}


@pytest.fixture(scope="module")
def index() -> Iterator[Index]:
    """An index on the loopback with a few wheels, for processes that are forked here."""
    with serving() as served:
        yield served


def _fetch(downloads: list[Download], store: Store, http: Http, folder: Path, pauses: random.Random) -> None:
    """Fetch files one after the other and place them, as a wheelhouse run does; tell the pruner when it is over."""
    with ExitStack() as stack:
        stack.callback((folder.parent / "over").touch)
        stack.enter_context(store.in_use())
        for download in downloads:
            fetch_all([download], store, http=http)
            _other_work(pauses)
        held = [store.artifact(one.filename, str(one.sha256)) for one in downloads]
        assemble.place(store, folder, [_entry(one.filename, one) for one in held])


@pytest.mark.parametrize("seed", range(50))
def test_a_fetch_and_a_prune_end_well_in_any_order(tmp_path: Path, index: Index, seed: int) -> None:
    """Nothing names the files yet that are on their way: prune waits for the run that brings them."""
    downloads = [offered(index, f"small{number}") for number in range(4)]
    store, folder = Store(tmp_path / "store"), tmp_path / "w"

    with client(index) as http:
        statuses = _together(
            seed,
            lambda: _fetch(downloads, Store(store.root), http, folder, _drawn(seed)),
            lambda: _prune_until(tmp_path / "over", Store(store.root)),
        )

    assert statuses == [0, 0]
    assert sorted(path.name for path in folder.iterdir()) == [one.filename for one in downloads]
    assert list(store.root.glob("incoming/*")) == []


def _files(version: int) -> dict[str, bytes]:
    return {**FILES, TORCH: str(version).encode() * 150_000}


def _wheelhouse(folder: Path, version: int, pauses: random.Random) -> None:
    """Swap in a small wheelhouse, its files written one by one."""
    files = _files(version)
    with assemble.replacing(folder) as part:
        for path, data in files.items():
            _other_work(pauses)
            assemble.write(part, path, data, "wheel")
        (part / NAME).write_bytes(to_json(manifest_of(files)))


def _bundle(folder: Path, out: Path) -> None:
    for _ in range(2):
        bundle_command(folder, out=out, serial=1, split=100 << 10)
        verify_bundle(out, insecure=True)


@pytest.mark.parametrize("seed", range(50))
def test_a_bundle_and_a_wheelhouse_run_end_well_in_any_order(tmp_path: Path, seed: int) -> None:
    """A bundle has the files of one wheelhouse, however often that is swapped while it is packed."""
    folder, out = tmp_path / "w", tmp_path / "b.tar"
    _wheelhouse(folder, 0, _drawn(seed))

    statuses = _together(
        seed,
        lambda: _bundle(folder, out),
        lambda: _wheelhouse(folder, 1, _drawn(seed + 1)),
        lambda: _wheelhouse(folder, 2, _drawn(seed + 2)),
    )

    assert statuses == [0, 0, 0]
    wanted = {layout.contents_digest(manifest_of(_files(version))["files"]) for version in range(3)}
    assert verify_bundle(out, insecure=True).contents in wanted
    assert {path.name for path in tmp_path.iterdir()} - {".state", "w"} == {"b.tar.001", "b.tar.002"}


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


def test_there_is_a_folder_all_through_a_swap(tmp_path: Path) -> None:
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
