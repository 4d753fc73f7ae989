"""Big files come in pieces, over several connections."""

from __future__ import annotations

import errno
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import pytest
from index_server import (
    Behaviour,
    FakeClock,
    Handler,
    Index,
    hang_up,
    status,
)
from offering import CHILD, NAME, fetch, nothing_kept, offered

from ascend_wheelhouse.base.events import Event, JobFinished, JobProgress, JobStarted
from ascend_wheelhouse.fetch.fetch import fetch_all
from ascend_wheelhouse.fetch.pieces import LARGE, PIECE, PiecewiseTransfer
from ascend_wheelhouse.fetch.transfer import Download
from ascend_wheelhouse.origins import faults
from ascend_wheelhouse.origins.http import Http
from ascend_wheelhouse.store.store import Store
from ascend_wheelhouse.store.store_faults import StoreFullError

pytest_plugins = ["fetch_fixtures"]


def _big(index: Index) -> Download:
    """Offer a file that is fetched in pieces."""
    return offered(index, filler=LARGE + PIECE // 2)


def _ranges(index: Index) -> list[str]:
    return sorted(headers.get("Range") or "" for headers in index.requests_for(NAME))


def test_a_big_file_comes_in_pieces(index: Index, store: Store, http: Http) -> None:
    download, events = _big(index), list[Event]()
    (fetched,) = fetch_all([download], store, events.append, http=http)
    store.check(fetched.sha256)
    last = (download.size or 0) - 1
    expected = [f"bytes=0-{PIECE - 1}", f"bytes={PIECE}-{2 * PIECE - 1}", f"bytes={2 * PIECE}-{last}"]
    assert _ranges(index) == sorted(expected)
    assert [event for event in events if isinstance(event, JobStarted | JobFinished)] == [
        JobStarted(job=NAME, action="fetch", total=download.size),
        JobFinished(job=NAME, outcome="done"),
    ]
    assert max(event.done or 0 for event in events if isinstance(event, JobProgress)) == download.size
    assert list(store.root.glob("incoming/*")) == []


def test_a_run_goes_on_with_the_pieces_of_an_earlier_one(index: Index, store: Store, http: Http) -> None:
    download = _big(index)
    content = index.files[NAME].content
    with store.partial(download.key) as partial:
        held = content[: PIECE + 1000] + bytes(PIECE)
        partial.path.with_suffix(".pieces").write_bytes(held)
        lines = f"{PIECE} {PIECE + 1000} .\n0 {PIECE} .\n{2 * PIECE} {2 * PIECE + 9}"
        partial.path.with_suffix(".have").write_text(lines)  # the last line was cut short by a kill
    assert fetch(download, store, http) == content
    assert _ranges(index)[0] == f"bytes={PIECE + 1000}-{2 * PIECE - 1}"
    assert len(_ranges(index)) == 2
    assert list(store.root.glob("incoming/*")) == []


def test_the_beginning_that_a_plain_download_left_counts(index: Index, store: Store, http: Http) -> None:
    download = _big(index)
    with store.partial(download.key) as partial:
        partial.path.write_bytes(index.files[NAME].content[: PIECE + 5])
    assert fetch(download, store, http) == index.files[NAME].content
    assert _ranges(index)[0] == f"bytes={PIECE + 5}-{2 * PIECE - 1}"
    assert len(_ranges(index)) == 2


def test_pieces_that_are_not_those_of_the_file_are_fetched_anew(
    index: Index, store: Store, http: Http
) -> None:
    download = _big(index)
    with store.partial(download.key) as partial:
        partial.path.with_suffix(".pieces").write_bytes(bytes(2 * PIECE))
        partial.path.with_suffix(".have").write_text(f"0 {2 * PIECE} .\n")
    assert fetch(download, store, http) == index.files[NAME].content


def test_a_kill_loses_the_pieces_in_flight_and_no_others(index: Index, store: Store, http: Http) -> None:
    download, released = _big(index), threading.Event()
    index.behave(NAME, lambda handler: handler.send_file(index.files[NAME]), *[_stalled_piece(released)] * 2)
    words = (download.filename, str(download.sha256), str(download.size), download.urls[0])
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(store.root), *words], stderr=subprocess.DEVNULL
    )
    until = time.monotonic() + 120
    while (index.behaviours[NAME] or not _noted(store)) and time.monotonic() < until:
        time.sleep(0.02)
    noted = _noted(store)
    child.kill()
    child.wait(120)
    released.set()
    assert len(noted) == 1
    asked = len(index.requests_for(NAME))
    assert fetch(download, store, http) == index.files[NAME].content
    later = [headers["Range"] for headers in index.requests_for(NAME)[asked:]]
    start, end = map(int, noted[0].split()[:2])
    assert len(later) == 2
    assert f"bytes={start}-{end - 1}" not in later


def _noted(store: Store) -> list[str]:
    return [line for path in store.root.glob("incoming/*.have") for line in path.read_text().splitlines()]


def _stalled_piece(released: threading.Event) -> Behaviour:
    """Promise the bytes asked for, send none of them, and hold the connection until `released`."""

    def behave(handler: Handler) -> None:
        size = len(handler.index.files[NAME].content)
        first, last = map(int, handler.headers["Range"].removeprefix("bytes=").split("-"))
        handler.send_response(206)
        handler.send_header("Content-Length", str(last + 1 - first))
        handler.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        handler.end_headers()
        released.wait(30)
        handler.close_connection = True

    return behave


def test_the_fault_that_kept_the_first_piece_from_beginning_is_told(
    index: Index, store: Store, http: Http, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another piece found nothing begun, and its "list index out of range" was told in the place of the full disk."""
    transfer = PiecewiseTransfer(wanted=_big(index), store=store, http=http, progress=lambda _done: None)
    lost, first, raised = threading.Event(), threading.Event(), list[Exception]()
    telling = store.telling

    @contextmanager
    def telling_in_turn() -> Iterator[None]:
        try:
            with telling():
                yield
        except IndexError:
            lost.set()
            first.wait(60)
            raise
        except StoreFullError:
            lost.wait(0.5)
            raise

    def fail(_key: str) -> NoReturn:
        raise OSError(errno.ENOSPC, "No space left on device")

    def run(number: int) -> None:
        try:
            transfer.fetch(number)
        except Exception as error:  # noqa: BLE001 - looked at below
            raised.append(error)
        first.set()

    monkeypatch.setattr(store, "telling", telling_in_turn)
    monkeypatch.setattr(store, "partial", fail)
    threads = [threading.Thread(target=run, args=(number,), daemon=True) for number in range(transfer.count)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(30)
    assert [type(error) for error in raised] == [StoreFullError]


def test_a_server_without_ranges_sends_a_big_file_whole(index: Index, store: Store, http: Http) -> None:
    index.ranges = False
    download = _big(index)
    assert fetch(download, store, http) == index.files[NAME].content
    assert "" in _ranges(index)


def test_a_big_file_with_a_wrong_hash_is_refused(index: Index, store: Store, http: Http) -> None:
    download = _big(index)
    index.offer(NAME, bytes(download.size or 0))
    with pytest.raises(faults.HashMismatchError):
        fetch(download, store, http)
    assert nothing_kept(store)


def test_a_big_file_that_is_gone_is_told(index: Index, store: Store, http: Http) -> None:
    download = _big(index)
    index.files.clear()
    with pytest.raises(faults.NotFoundError):
        fetch(download, store, http)
    assert nothing_kept(store)


def test_a_piece_that_breaks_is_tried_again(index: Index, store: Store, http: Http, clock: FakeClock) -> None:
    download = _big(index)
    index.behave(NAME, status(503), hang_up)
    assert fetch(download, store, http) == index.files[NAME].content
    assert len([wait for wait in clock.waits if wait > 0.1]) == 2
