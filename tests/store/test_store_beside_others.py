"""A store that is looked at while other runs change it: what they remove in between is not there, and that is all."""

from __future__ import annotations

import io
import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ascend_wheelhouse.store.store import Store
from ascend_wheelhouse.store.store_faults import BlobMissingError, DamagedBlobError

_CONTEXT = multiprocessing.get_context("fork")
_MANY = 400


@contextmanager
def beside(work: Callable[[], None]) -> Iterator[None]:
    """Have a process do its work over and over; it is under way when the block begins, and ends with it."""
    began, over = _CONTEXT.Event(), _CONTEXT.Event()

    def again() -> None:
        while not over.is_set():
            work()
            began.set()

    process = _CONTEXT.Process(target=again)
    process.start()
    began.wait()
    try:
        yield
    finally:
        over.set()
        process.join()
    assert process.exitcode == 0


def _come_and_go(root: Path) -> None:
    """Bring files in, begin downloads, and prune it all."""
    store = Store(root)
    for number in range(20):
        store.add(io.BytesIO(f"{number}".encode()))
        with store.partial(f"{number}") as partial:
            partial.path.write_bytes(b"abc")
    store.prune(list)


def test_what_a_store_holds_is_counted_while_another_run_brings_and_prunes(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with beside(lambda: _come_and_go(tmp_path)):
        for _ in range(_MANY):
            usage = store.usage()
            assert usage.blobs <= 20
            assert usage.partials <= 21
            assert len(store.garbage([])) <= 20


def test_two_runs_prune_while_a_third_that_said_nothing_of_it_downloads(tmp_path: Path) -> None:
    def download() -> None:
        with Store(tmp_path).partial("one") as partial:
            partial.path.write_bytes(b"abc")
            partial.drop()

    with beside(download), beside(lambda: _come_and_go(tmp_path)):
        for _ in range(_MANY):
            Store(tmp_path).prune(list)


def test_a_blob_that_is_pruned_while_it_is_looked_for_is_missing(tmp_path: Path) -> None:
    digest = Store(tmp_path).add(io.BytesIO(b"hello"))

    def come_and_go() -> None:
        Store(tmp_path).add(io.BytesIO(b"hello"))
        Store(tmp_path).path(digest).unlink()

    with beside(come_and_go):
        for _ in range(_MANY):
            Store(tmp_path).has(digest, 5)
            try:
                Store(tmp_path).check(digest)
            except BlobMissingError:
                continue


@pytest.mark.parametrize("damages", [True, False])
def test_a_damaged_blob_that_two_runs_find_is_told_by_each(tmp_path: Path, *, damages: bool) -> None:
    """Also the one that comes second says that it was damaged, or is missing by now."""
    root = tmp_path / "store"
    digest = Store(root).add(io.BytesIO(b"hello"))

    def damage() -> None:
        with Store(root).incoming() as path:
            path.write_bytes(b"hellO")
            path.replace(Store(root).path(digest))

    def check() -> None:
        try:
            Store(root).prove([digest])
        except (DamagedBlobError, BlobMissingError):
            return

    with beside(damage if damages else check), beside(check):
        for _ in range(_MANY):
            if not damages:
                damage()
            check()
