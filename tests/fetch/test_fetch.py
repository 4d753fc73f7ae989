from __future__ import annotations

import hashlib
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from index_server import (
    Behaviour,
    FakeClock,
    Handler,
    Index,
    client,
    cut_after,
    hang_up,
    html_page,
    stall,
    status,
    wheel_bytes,
)

from ascend_wheelhouse.errors import WheelhouseError
from ascend_wheelhouse.events import Event, JobFinished, JobProgress, JobStarted, Stage
from ascend_wheelhouse.fetch import FetchCorruptError, FetchFailedError, OfflineError, fetch_all
from ascend_wheelhouse.origins import faults
from ascend_wheelhouse.origins.http import Http
from ascend_wheelhouse.pieces import LARGE, PIECE
from ascend_wheelhouse.store import CHUNK, Store
from ascend_wheelhouse.transfer import Download
from ascend_wheelhouse.wheel_names import BrokenWheelError, WheelNamesDifferError

pytest_plugins = ["fetch_fixtures"]

Spoil = Callable[[Index, Download], Download]

_NAME = "small-1.0-py3-none-any.whl"


def _offered(index: Index, name: str = "small", *, filler: int = 2000) -> Download:
    """Offer a wheel and return the download that a lock would ask for."""
    filename = f"{name}-1.0-py3-none-any.whl"
    content = wheel_bytes(name, "1.0", filler=filler)
    index.offer(filename, content)
    return Download(
        filename=filename,
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content),
        name=name,
        urls=(index.file_url(filename),),
    )


def _fetch(download: Download, store: Store, http: Http) -> bytes:
    (fetched,) = fetch_all([download], store, http=http)
    return store.path(fetched.sha256).read_bytes()


def _nothing_kept(store: Store) -> bool:
    return not list(store.blobs()) and not list(store.root.glob("incoming/*"))


def test_files_come_into_the_store_in_the_order_asked_for(index: Index, store: Store, http: Http) -> None:
    downloads = [_offered(index, name, filler=size) for name, size in (("aa", 10), ("bb", 9000), ("cc", 500))]
    fetched = fetch_all(downloads, store, http=http)
    assert [each.download.filename for each in fetched] == [each.filename for each in downloads]
    assert all(store.has(each.sha256) and not each.cached for each in fetched)
    assert list(store.root.glob("incoming/*")) == []


def test_urgent_files_come_first_then_the_biggest(index: Index, store: Store, http: Http) -> None:
    events: list[Event] = []
    sizes = (("small", 10), ("big", 9000), ("now", 500))
    downloads = [replace(_offered(index, name, filler=size), urgent=name == "now") for name, size in sizes]
    fetch_all(downloads, store, events.append, http=http, jobs=1)
    started = [event.job.partition("-")[0] for event in events if isinstance(event, JobStarted)]
    assert started == ["now", "big", "small"]


def test_what_the_store_has_is_not_asked_for(index: Index, store: Store, http: Http) -> None:
    download = _offered(index)
    _fetch(download, store, http)
    (again,) = fetch_all([download], store, http=http)
    assert again.cached
    assert len(index.requests_for(_NAME)) == 1


def test_every_file_is_reported(index: Index, store: Store, http: Http) -> None:
    events: list[Event] = []
    download = _offered(index, filler=CHUNK + 5)
    fetch_all([download], store, events.append, http=http)
    assert events[0] == Stage(name="fetch", jobs=1, total=download.size)
    assert events[1] == JobStarted(job=_NAME, action="fetch", total=download.size)
    assert isinstance(events[-2], JobProgress)
    assert events[-2].done == download.size
    assert events[-1] == JobFinished(job=_NAME, outcome="done")
    fetch_all([download], store, events.append, http=http)
    assert events[-1] == JobFinished(job=_NAME, outcome="cached")


def test_a_file_without_a_url_is_located_first(index: Index, store: Store, http: Http) -> None:
    download = _offered(index)
    bare = Download(filename=download.filename, sha256=download.sha256, size=download.size)
    (fetched,) = fetch_all([bare], store, http=http, locate=lambda _: download.urls)
    assert store.has(fetched.sha256)


def test_the_same_file_asked_for_twice_comes_once(index: Index, store: Store, http: Http) -> None:
    download = _offered(index)
    assert len(fetch_all([download, download], store, http=http)) == 2
    assert len(index.requests_for(_NAME)) == 1


@pytest.mark.parametrize(
    "behaviour", [status(500), status(429, Retry_After="1"), hang_up, cut_after(700), cut_after(0)]
)
def test_a_passing_fault_costs_one_more_try(
    index: Index, store: Store, http: Http, clock: FakeClock, behaviour: Behaviour
) -> None:
    download = _offered(index)
    index.behave(_NAME, behaviour)
    assert _fetch(download, store, http) == index.files[_NAME].content
    assert len(clock.waits) == 1


def test_a_broken_download_goes_on_where_it_stopped(index: Index, store: Store, http: Http) -> None:
    download = _offered(index)
    index.behave(_NAME, cut_after(700), cut_after(300))
    _fetch(download, store, http)
    assert [headers.get("Range") for headers in index.requests_for(_NAME)] == [
        None,
        "bytes=700-",
        "bytes=1000-",
    ]


def test_a_proxy_that_drops_every_connection_is_given_up_and_keeps_the_bytes(
    index: Index, store: Store, http: Http
) -> None:
    download = _offered(index)
    index.behave(_NAME, *[cut_after(100)] * 6)
    with pytest.raises(faults.ConnectionBrokenError) as caught:
        _fetch(download, store, http)
    assert caught.value.exit_code == 4
    assert store.usage().partial_bytes == 600
    assert _fetch(download, store, http) == index.files[_NAME].content
    assert index.requests_for(_NAME)[-1]["Range"] == "bytes=600-"


def test_progress_renews_the_patience(index: Index, store: Store, http: Http) -> None:
    download = _offered(index, filler=10 * CHUNK)
    index.behave(_NAME, *[cut_after(CHUNK)] * 9)
    assert _fetch(download, store, http) == index.files[_NAME].content


def test_a_server_without_ranges_sends_the_whole_file_again(index: Index, store: Store, http: Http) -> None:
    index.ranges = False
    download = _offered(index)
    index.behave(_NAME, cut_after(700))
    assert _fetch(download, store, http) == index.files[_NAME].content


def _left_behind(store: Store, download: Download, content: bytes) -> None:
    with store.partial(download.key) as partial:
        partial.path.write_bytes(content)


def test_a_partial_of_another_file_is_fetched_once_more_from_the_start(
    index: Index, store: Store, http: Http
) -> None:
    download = _offered(index)
    _left_behind(store, download, b"x" * 900)
    assert _fetch(download, store, http) == index.files[_NAME].content
    assert [headers.get("Range") for headers in index.requests_for(_NAME)] == ["bytes=900-", None]


def test_a_partial_longer_than_the_file_is_fetched_from_the_start(
    index: Index, store: Store, http: Http
) -> None:
    download = _offered(index)
    _left_behind(store, download, b"x" * 90_000)
    assert _fetch(download, store, http) == index.files[_NAME].content


def test_a_whole_partial_needs_no_request(index: Index, store: Store, http: Http) -> None:
    download = _offered(index)
    _left_behind(store, download, index.files[_NAME].content)
    assert _fetch(download, store, http) == index.files[_NAME].content
    assert index.asked == []


def test_if_range_is_sent_where_the_server_gives_an_etag(index: Index, store: Store, http: Http) -> None:
    index.etag = True
    download = Download(filename=_NAME, urls=_offered(index).urls)
    whole = index.files[_NAME].content

    with store.partial(download.key) as partial:
        partial.path.write_bytes(whole[:700])
        etag = f'"{hashlib.md5(whole).hexdigest()}"'  # noqa: S324 - as the server names it
        url = hashlib.sha256(download.urls[0].encode()).hexdigest()
        partial.remember({"validator": etag, "url": url})
    assert _fetch(download, store, http) == whole
    assert index.requests_for(_NAME)[0]["If-Range"] == etag
    assert index.requests_for(_NAME)[0]["Range"] == "bytes=700-"


def test_a_file_that_nothing_promises_is_not_continued_without_proof(
    index: Index, store: Store, http: Http
) -> None:
    download = Download(filename=_NAME, urls=_offered(index).urls)
    _left_behind(store, download, b"x" * 900)
    assert _fetch(download, store, http) == index.files[_NAME].content
    assert "Range" not in index.requests_for(_NAME)[0]


def _wrong_hash(index: Index, download: Download) -> Download:
    index.offer(_NAME, bytes(download.size or 0))
    return download


def _wrong_size(index: Index, download: Download) -> Download:
    index.offer(_NAME, b"much shorter")
    return download


def _login_page(index: Index, download: Download) -> Download:
    index.behave(_NAME, html_page())
    return download


def _disguised_login_page(index: Index, download: Download) -> Download:
    index.behave(_NAME, html_page("application/octet-stream"))
    return Download(filename=_NAME, sha256=download.sha256, urls=download.urls)


def _gone(index: Index, download: Download) -> Download:
    index.files.clear()
    return download


def _renamed(index: Index, download: Download) -> Download:
    content = wheel_bytes("other", "1.0")
    index.offer(_NAME, content)
    return Download(filename=_NAME, sha256=hashlib.sha256(content).hexdigest(), urls=download.urls)


def _other_version(index: Index, download: Download) -> Download:
    content = wheel_bytes("small", "1.1")
    index.offer(_NAME, content)
    return Download(filename=_NAME, sha256=hashlib.sha256(content).hexdigest(), urls=download.urls)


def _truncated_at_the_origin(index: Index, download: Download) -> Download:
    content = index.files[_NAME].content[:-30]
    index.offer(_NAME, content)
    return Download(filename=_NAME, urls=download.urls)


def _nowhere(index: Index, download: Download) -> Download:
    index.behave(_NAME, status(302))
    return download


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (_wrong_hash, (faults.HashMismatchError, 5)),
        (_wrong_size, (faults.SizeMismatchError, 5)),
        (_login_page, (faults.HtmlInsteadOfFileError, 4)),
        (_disguised_login_page, (faults.HtmlInsteadOfFileError, 4)),
        (_gone, (faults.NotFoundError, 4)),
        (_nowhere, (faults.RedirectError, 4)),
        (_renamed, (WheelNamesDifferError, 5)),
        (_other_version, (WheelNamesDifferError, 5)),
        (_truncated_at_the_origin, (BrokenWheelError, 5)),
    ],
)
def test_a_bad_file_is_told_and_never_kept(
    index: Index, store: Store, http: Http, spoil: Spoil, fault: tuple[type[WheelhouseError], int]
) -> None:
    kind, code = fault
    download = spoil(index, _offered(index))
    with pytest.raises(kind) as caught:
        _fetch(download, store, http)
    assert (caught.value.exit_code, bool(caught.value.what), bool(caught.value.next_step)) == (
        code,
        True,
        True,
    )
    assert _nothing_kept(store)


def test_another_url_is_tried_when_the_first_has_a_bad_file(index: Index, store: Store, http: Http) -> None:
    download = _offered(index)
    index.raw["/bad"] = ("application/octet-stream", bytes(download.size or 0))
    both = Download(
        filename=_NAME, sha256=download.sha256, size=download.size, urls=(f"{index.url}/bad", *download.urls)
    )
    assert _fetch(both, store, http) == index.files[_NAME].content


def test_one_bad_file_does_not_stop_the_others(index: Index, store: Store, http: Http) -> None:
    good, bad = _offered(index, "good"), _offered(index, "bad")
    del index.files[bad.filename]
    with pytest.raises(faults.NotFoundError):
        fetch_all([bad, good], store, http=http)
    assert store.has(str(good.sha256))


def test_several_bad_files_are_told_at_once(index: Index, store: Store, http: Http) -> None:
    downloads = [_offered(index, name) for name in ("aa", "bb")]
    index.files.clear()
    with pytest.raises(FetchFailedError, match=r"^2 files .*:\n.*aa-1\.0.*\n.*bb-1\.0") as caught:
        fetch_all(downloads, store, http=http)
    assert caught.value.exit_code == 4
    index.offer(downloads[0].filename, bytes(downloads[0].size or 0))
    with pytest.raises(FetchCorruptError):
        fetch_all(downloads, store, http=http)


def test_offline_uses_the_store_alone_and_lists_what_is_missing(
    index: Index, store: Store, http: Http
) -> None:
    had, missing = _offered(index, "had"), _offered(index, "missing")
    _fetch(had, store, http)
    assert fetch_all([had], store, http=http, offline=True)[0].cached
    with pytest.raises(OfflineError, match=r"^1 files are not in the store .*\n  missing-1\.0") as caught:
        fetch_all([had, missing], store, http=http, offline=True)
    assert caught.value.exit_code == 4
    assert index.requests_for(missing.filename) == []


def test_a_folder_is_fetched_from_like_a_server(store: Store, http: Http, tmp_path: Path) -> None:
    path = tmp_path / _NAME
    path.write_bytes(wheel_bytes("small", "1.0"))
    (fetched,) = fetch_all([Download(filename=_NAME, urls=(path.as_uri(),))], store, http=http)
    assert store.path(fetched.sha256).read_bytes() == path.read_bytes()
    assert store.path(fetched.sha256).stat().st_ino != path.stat().st_ino


def _fetch_in_child(root: Path, url: str, download: Download) -> None:
    index = Index(url=url)
    with client(index) as http:
        fetch_all([download], Store(root), http=http)


def test_two_processes_fetch_a_file_into_one_store_once(index: Index, store: Store) -> None:
    download = _offered(index, filler=4 * CHUNK)
    context = multiprocessing.get_context("spawn")
    children = [
        context.Process(target=_fetch_in_child, args=(store.root, index.url, download)) for _ in range(2)
    ]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0, 0]
    assert len(index.requests_for(_NAME)) == 1
    store.check(str(download.sha256))


_CHILD = """
import sys
from pathlib import Path
from ascend_wheelhouse.fetch import fetch_all
from ascend_wheelhouse.origins.http import Http
from ascend_wheelhouse.origins.mirrors import Mirrors
from ascend_wheelhouse.origins.pip_config import PipConfig
from ascend_wheelhouse.store import Store
from ascend_wheelhouse.transfer import Download
root, filename, sha256, size, url = sys.argv[1:]
http = Http(PipConfig(timeout=60), Mirrors())
download = Download(filename=filename, sha256=sha256, size=int(size), urls=(url,))
fetch_all([download], Store(Path(root)), http=http)
"""


def _half(released: threading.Event, count: int) -> Behaviour:
    """Send the first bytes of a file and then nothing until `released`."""

    def behave(handler: Handler) -> None:
        content = next(iter(handler.index.files.values())).content
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content[:count])
        handler.wfile.flush()
        released.wait(30)
        handler.close_connection = True

    return behave


@pytest.mark.parametrize(("number", "ended"), [(signal.SIGKILL, -9), (signal.SIGINT, -2)])
def test_a_run_that_is_ended_in_the_middle_is_continued(
    index: Index, store: Store, http: Http, number: signal.Signals, ended: int
) -> None:
    download, released = _offered(index, filler=3 * CHUNK), threading.Event()
    index.behave(_NAME, _half(released, 2 * CHUNK))
    words = (download.filename, str(download.sha256), str(download.size), download.urls[0])
    child = subprocess.Popen(
        [sys.executable, "-c", _CHILD, str(store.root), *words], stderr=subprocess.DEVNULL, env={**os.environ}
    )
    until = time.monotonic() + 120
    while store.usage().partial_bytes < CHUNK and time.monotonic() < until:
        time.sleep(0.02)
    child.send_signal(number)
    assert child.wait(10) == ended
    released.set()
    kept = store.usage().partial_bytes
    assert 0 < kept <= 2 * CHUNK
    assert list(store.blobs()) == []
    assert _fetch(download, store, http) == index.files[_NAME].content
    assert index.requests_for(_NAME)[-1]["Range"] == f"bytes={kept}-"


def test_a_stalled_download_is_given_up(index: Index, store: Store) -> None:
    download, released = _offered(index), threading.Event()
    index.behave(_NAME, *[stall(released)] * 2)
    small = Download(filename=_NAME, sha256=download.sha256, urls=download.urls)
    with client(index, timeout=0.1, retries=1) as http, pytest.raises(faults.StalledError):
        _fetch(small, store, http)
    released.set()


def test_header_fields_are_sent_along(index: Index, store: Store, http: Http) -> None:
    plain = _offered(index)
    download = Download(filename=_NAME, urls=plain.urls, headers=(("Referer", "https://origin.example/"),))
    _fetch(download, store, http)
    assert index.requests_for(_NAME)[0]["Referer"] == "https://origin.example/"


def test_a_blob_that_was_cut_short_is_fetched_anew(index: Index, store: Store, http: Http) -> None:
    download = _offered(index)
    _fetch(download, store, http)
    place = store.path(str(download.sha256))
    place.chmod(0o644)
    place.write_bytes(b"cut")
    assert _fetch(download, store, http) == index.files[_NAME].content


def test_a_body_without_end_is_cut_off(index: Index, store: Store, http: Http) -> None:
    download = _offered(index)

    def endless(handler: Handler) -> None:
        handler.send_response(200)
        handler.end_headers()
        handler.close_connection = True
        with suppress(ConnectionError):
            for _ in range(1000):
                handler.wfile.write(bytes(CHUNK))

    index.behave(_NAME, endless)
    with pytest.raises(faults.SizeMismatchError):
        _fetch(download, store, http)
    assert _nothing_kept(store)


def test_an_unexpected_error_is_not_hidden(index: Index, store: Store, http: Http) -> None:
    def locate(_: Download) -> tuple[str, ...]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fetch_all([Download(filename=_offered(index).filename)], store, http=http, locate=locate)


def _big(index: Index) -> Download:
    """Offer a file that is fetched in pieces."""
    return _offered(index, filler=LARGE + PIECE // 2)


def _ranges(index: Index) -> list[str]:
    return sorted(headers.get("Range") or "" for headers in index.requests_for(_NAME))


def test_a_big_file_comes_in_pieces(index: Index, store: Store, http: Http) -> None:
    download, events = _big(index), list[Event]()
    (fetched,) = fetch_all([download], store, events.append, http=http)
    store.check(fetched.sha256)
    last = (download.size or 0) - 1
    expected = [f"bytes=0-{PIECE - 1}", f"bytes={PIECE}-{2 * PIECE - 1}", f"bytes={2 * PIECE}-{last}"]
    assert _ranges(index) == sorted(expected)
    assert [event for event in events if isinstance(event, JobStarted | JobFinished)] == [
        JobStarted(job=_NAME, action="fetch", total=download.size),
        JobFinished(job=_NAME, outcome="done"),
    ]
    assert max(event.done or 0 for event in events if isinstance(event, JobProgress)) == download.size
    assert list(store.root.glob("incoming/*")) == []


def test_a_piece_goes_on_where_it_stopped(index: Index, store: Store, http: Http) -> None:
    download = _big(index)
    with store.partial(download.key) as partial:
        partial.path.write_bytes(index.files[_NAME].content[: PIECE + 5])
        piece = partial.path.with_suffix(".1.piece")
        piece.write_bytes(index.files[_NAME].content[PIECE : PIECE + 1000])
    assert _fetch(download, store, http) == index.files[_NAME].content
    assert f"bytes={PIECE + 1000}-{2 * PIECE - 1}" in _ranges(index)
    assert len(_ranges(index)) == 2


def test_a_server_without_ranges_sends_a_big_file_whole(index: Index, store: Store, http: Http) -> None:
    index.ranges = False
    download = _big(index)
    assert _fetch(download, store, http) == index.files[_NAME].content
    assert "" in _ranges(index)


def test_a_big_file_with_a_wrong_hash_is_refused(index: Index, store: Store, http: Http) -> None:
    download = _big(index)
    index.offer(_NAME, bytes(download.size or 0))
    with pytest.raises(faults.HashMismatchError):
        _fetch(download, store, http)
    assert _nothing_kept(store)


def test_a_big_file_that_is_gone_is_told(index: Index, store: Store, http: Http) -> None:
    download = _big(index)
    index.files.clear()
    with pytest.raises(faults.NotFoundError):
        _fetch(download, store, http)
    assert _nothing_kept(store)


def test_a_piece_that_breaks_is_tried_again(index: Index, store: Store, http: Http, clock: FakeClock) -> None:
    download = _big(index)
    index.behave(_NAME, status(503), hang_up)
    assert _fetch(download, store, http) == index.files[_NAME].content
    assert len([wait for wait in clock.waits if wait > 0.1]) == 2
