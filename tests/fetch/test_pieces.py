"""Big files come in pieces, over several connections."""

from __future__ import annotations

import pytest
from index_server import (
    FakeClock,
    Index,
    hang_up,
    status,
)
from offering import NAME, fetch, nothing_kept, offered

from ascend_wheelhouse.events import Event, JobFinished, JobProgress, JobStarted
from ascend_wheelhouse.fetch import fetch_all
from ascend_wheelhouse.origins import faults
from ascend_wheelhouse.origins.http import Http
from ascend_wheelhouse.pieces import LARGE, PIECE
from ascend_wheelhouse.store import Store
from ascend_wheelhouse.transfer import Download

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


def test_a_piece_goes_on_where_it_stopped(index: Index, store: Store, http: Http) -> None:
    download = _big(index)
    with store.partial(download.key) as partial:
        partial.path.write_bytes(index.files[NAME].content[: PIECE + 5])
        piece = partial.path.with_suffix(".1.piece")
        piece.write_bytes(index.files[NAME].content[PIECE : PIECE + 1000])
    assert fetch(download, store, http) == index.files[NAME].content
    assert f"bytes={PIECE + 1000}-{2 * PIECE - 1}" in _ranges(index)
    assert len(_ranges(index)) == 2


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
