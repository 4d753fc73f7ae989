"""Files come into the store, whatever the way does to them."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
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
    stall,
    status,
    wheel_bytes,
)
from offering import CHILD, NAME, fetch, nothing_kept, offered

from ascend_wheelhouse.base.artifact import Expected
from ascend_wheelhouse.base.events import Event, JobFinished, JobProgress, JobStarted, Stage
from ascend_wheelhouse.fetch.fetch import OfflineError, fetch_all
from ascend_wheelhouse.fetch.transfer import Download
from ascend_wheelhouse.origins import faults
from ascend_wheelhouse.origins.http import Http
from ascend_wheelhouse.store.store import CHUNK, Store

pytest_plugins = ["fetch_fixtures"]


def test_files_come_into_the_store_in_the_order_asked_for(index: Index, store: Store, http: Http) -> None:
    downloads = [offered(index, name, filler=size) for name, size in (("aa", 10), ("bb", 9000), ("cc", 500))]
    fetched = fetch_all(downloads, store, http=http)
    assert [each.filename for each in fetched] == [each.filename for each in downloads]
    assert all(store.has(each.sha256) and not each.cached for each in fetched)
    assert list(store.root.glob("incoming/*")) == []


def test_urgent_files_come_first_then_the_biggest(index: Index, store: Store, http: Http) -> None:
    events: list[Event] = []
    sizes = (("small", 10), ("big", 9000), ("now", 500))
    downloads = [replace(offered(index, name, filler=size), urgent=name == "now") for name, size in sizes]
    fetch_all(downloads, store, events.append, http=http, jobs=1)
    started = [event.job.partition("-")[0] for event in events if isinstance(event, JobStarted)]
    assert started == ["now", "big", "small"]


def test_a_small_file_comes_while_big_ones_hold_the_line(index: Index, store: Store, http: Http) -> None:
    asked = threading.Event()
    big = [offered(index, name, filler=600_000) for name in ("aa", "bb", "cc", "dd")]
    small = offered(index, filler=10)

    def held(handler: Handler) -> None:
        asked.wait(30)
        handler.send_file(index.files[handler.path.rpartition("/")[2]])

    def noticed(handler: Handler) -> None:
        asked.set()
        handler.send_file(index.files[NAME])

    index.behave(NAME, noticed)
    for each in big:
        index.behave(each.filename, held)
    fetch_all([*big, small], store, http=http, jobs=4)
    assert [len(index.requests_for(each.filename)) for each in big] == [1] * len(big), "one was given up"


def test_what_the_store_has_is_not_asked_for(index: Index, store: Store, http: Http) -> None:
    download = offered(index)
    fetch(download, store, http)
    (again,) = fetch_all([download], store, http=http)
    assert again.cached
    assert len(index.requests_for(NAME)) == 1


def test_every_file_is_reported(index: Index, store: Store, http: Http) -> None:
    events: list[Event] = []
    download = offered(index, filler=CHUNK + 5)
    fetch_all([download], store, events.append, http=http)
    assert events[0] == Stage(name="fetch", jobs=1, total=download.size)
    assert events[1] == JobStarted(job=NAME, action="fetch", total=download.size)
    assert isinstance(events[-2], JobProgress)
    assert events[-2].done == download.size
    assert events[-1] == JobFinished(job=NAME, outcome="done")
    fetch_all([download], store, events.append, http=http)
    assert events[-1] == JobFinished(job=NAME, outcome="cached")


def test_a_file_without_a_url_is_located_first(index: Index, store: Store, http: Http) -> None:
    download = offered(index)
    bare = Download(filename=download.filename, expected=download.expected)
    (fetched,) = fetch_all([bare], store, http=http, locate=lambda _: download.urls)
    assert store.has(fetched.sha256)


def test_the_same_file_asked_for_twice_comes_once(index: Index, store: Store, http: Http) -> None:
    download = offered(index)
    assert len(fetch_all([download, download], store, http=http)) == 2
    assert len(index.requests_for(NAME)) == 1


@pytest.mark.parametrize(
    "behaviour", [status(500), status(429, Retry_After="1"), hang_up, cut_after(700), cut_after(0)]
)
def test_a_passing_fault_costs_one_more_try(
    index: Index, store: Store, http: Http, clock: FakeClock, behaviour: Behaviour
) -> None:
    download = offered(index)
    index.behave(NAME, behaviour)
    assert fetch(download, store, http) == index.files[NAME].content
    assert len(clock.waits) == 1


def test_a_broken_download_goes_on_where_it_stopped(index: Index, store: Store, http: Http) -> None:
    download = offered(index)
    index.behave(NAME, cut_after(700), cut_after(300))
    fetch(download, store, http)
    assert [headers.get("Range") for headers in index.requests_for(NAME)] == [
        None,
        "bytes=700-",
        "bytes=1000-",
    ]


def test_a_proxy_that_drops_every_connection_is_given_up_and_keeps_the_bytes(
    index: Index, store: Store, http: Http
) -> None:
    download = offered(index)
    index.behave(NAME, *[cut_after(100)] * 6)
    with pytest.raises(faults.ConnectionBrokenError) as caught:
        fetch(download, store, http)
    assert caught.value.exit_code == 4
    assert store.usage().partial_bytes == 600
    assert fetch(download, store, http) == index.files[NAME].content
    assert index.requests_for(NAME)[-1]["Range"] == "bytes=600-"


def test_progress_renews_the_patience(index: Index, store: Store, http: Http) -> None:
    download = offered(index, filler=10 * CHUNK)
    index.behave(NAME, *[cut_after(CHUNK)] * 9)
    assert fetch(download, store, http) == index.files[NAME].content


def test_a_server_without_ranges_sends_the_whole_file_again(index: Index, store: Store, http: Http) -> None:
    index.ranges = False
    download = offered(index)
    index.behave(NAME, cut_after(700))
    assert fetch(download, store, http) == index.files[NAME].content


def _left_behind(store: Store, download: Download, content: bytes) -> None:
    with store.partial(download.key) as partial:
        partial.path.write_bytes(content)


def test_a_partial_of_another_file_is_fetched_once_more_from_the_start(
    index: Index, store: Store, http: Http
) -> None:
    download = offered(index)
    _left_behind(store, download, b"x" * 900)
    assert fetch(download, store, http) == index.files[NAME].content
    assert [headers.get("Range") for headers in index.requests_for(NAME)] == ["bytes=900-", None]


def test_a_partial_longer_than_the_file_is_fetched_from_the_start(
    index: Index, store: Store, http: Http
) -> None:
    download = offered(index)
    _left_behind(store, download, b"x" * 90_000)
    assert fetch(download, store, http) == index.files[NAME].content


def test_a_whole_partial_needs_no_request(index: Index, store: Store, http: Http) -> None:
    download = offered(index)
    _left_behind(store, download, index.files[NAME].content)
    assert fetch(download, store, http) == index.files[NAME].content
    assert index.asked == []


def test_if_range_is_sent_where_the_server_gives_an_etag(index: Index, store: Store, http: Http) -> None:
    index.etag = True
    download = Download(filename=NAME, urls=offered(index).urls)
    whole = index.files[NAME].content

    with store.partial(download.key) as partial:
        partial.path.write_bytes(whole[:700])
        etag = f'"{hashlib.md5(whole).hexdigest()}"'  # noqa: S324 - as the server names it
        url = hashlib.sha256(download.urls[0].encode()).hexdigest()
        partial.remember({"validator": etag, "url": url})
    assert fetch(download, store, http) == whole
    assert index.requests_for(NAME)[0]["If-Range"] == etag
    assert index.requests_for(NAME)[0]["Range"] == "bytes=700-"


def test_a_file_that_nothing_promises_is_not_continued_without_proof(
    index: Index, store: Store, http: Http
) -> None:
    download = Download(filename=NAME, urls=offered(index).urls)
    _left_behind(store, download, b"x" * 900)
    assert fetch(download, store, http) == index.files[NAME].content
    assert "Range" not in index.requests_for(NAME)[0]


@pytest.mark.parametrize("said", ["bytes 300-1799/1800", ""])
def test_another_range_than_was_asked_for_is_not_taken(
    index: Index, store: Store, http: Http, said: str
) -> None:
    """Where no digest is promised nothing else would tell."""
    download = Download(filename=NAME, urls=offered(index).urls)
    whole = index.files[NAME].content
    fields = {"Content-Range": said.replace("1800", str(len(whole)))} if said else {}
    index.behave(NAME, cut_after(700, ETag='"one"'), lambda handler: handler.reply(206, whole[300:], fields))
    assert fetch(download, store, http) == whole
    assert index.requests_for(NAME)[1]["If-Range"] == '"one"'


@pytest.mark.parametrize("named", [True, False], ids=["named", "unnamed"])
def test_a_file_that_is_replaced_in_the_middle_is_not_made_of_two(
    index: Index, store: Store, http: Http, *, named: bool
) -> None:
    """A server without ETags, or one that passes over `If-Range`, sent the rest of the new file: both were one."""
    download = Download(filename=f"{NAME}.zip", urls=(index.file_url(f"{NAME}.zip"),))
    before, after = b"a" * 2000, b"b" * 2000
    index.offer(download.filename, before)

    def replaced(handler: Handler) -> None:
        cut_after(700, **({"ETag": '"before"'} if named else {}))(handler)
        index.offer(download.filename, after)

    def rest(handler: Handler) -> None:
        fields = {"Content-Range": "bytes 700-1999/2000", "ETag": '"after"'}
        handler.reply(206, after[700:], fields)

    index.behave(download.filename, replaced, *([rest] if named else []))
    assert fetch(download, store, http) == after


def test_offline_uses_the_store_alone_and_lists_what_is_missing(
    index: Index, store: Store, http: Http
) -> None:
    had, missing = offered(index, "had"), offered(index, "missing")
    fetch(had, store, http)
    assert fetch_all([had], store, http=http, offline=True)[0].cached
    with pytest.raises(OfflineError, match=r"^1 file is not in the store .*\n  missing-1\.0") as caught:
        fetch_all([had, missing], store, http=http, offline=True)
    assert caught.value.exit_code == 4
    assert index.requests_for(missing.filename) == []


def test_a_folder_is_fetched_from_like_a_server(store: Store, http: Http, tmp_path: Path) -> None:
    path = tmp_path / NAME
    path.write_bytes(wheel_bytes("small", "1.0"))
    (fetched,) = fetch_all([Download(filename=NAME, urls=(path.as_uri(),))], store, http=http)
    assert store.path(fetched.sha256).read_bytes() == path.read_bytes()
    assert store.path(fetched.sha256).stat().st_ino != path.stat().st_ino


def _fetch_in_child(root: Path, url: str, download: Download) -> None:
    index = Index(url=url)
    with client(index) as http:
        fetch_all([download], Store(root), http=http)


def test_two_processes_fetch_a_file_into_one_store_once(index: Index, store: Store) -> None:
    download = offered(index, filler=3 * CHUNK)
    context = multiprocessing.get_context("spawn")
    children = [
        context.Process(target=_fetch_in_child, args=(store.root, index.url, download)) for _ in range(2)
    ]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0, 0]
    assert len(index.requests_for(NAME)) == 1
    store.check(str(download.sha256))


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
    download, released = offered(index, filler=3 * CHUNK), threading.Event()
    index.behave(NAME, _half(released, 2 * CHUNK))
    words = (download.filename, str(download.sha256), str(download.size), download.urls[0])
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(store.root), *words], stderr=subprocess.DEVNULL, env={**os.environ}
    )
    until = time.monotonic() + 120
    while store.usage().partial_bytes < CHUNK and time.monotonic() < until:
        time.sleep(0.02)
    child.send_signal(number)
    assert child.wait(120) == ended
    released.set()
    kept = store.usage().partial_bytes
    assert 0 < kept <= 2 * CHUNK
    assert list(store.blobs()) == []
    assert fetch(download, store, http) == index.files[NAME].content
    assert index.requests_for(NAME)[-1]["Range"] == f"bytes={kept}-"


def test_a_stalled_download_is_given_up(index: Index, store: Store) -> None:
    download, released = offered(index), threading.Event()
    index.behave(NAME, *[stall(released)] * 2)
    small = Download(filename=NAME, expected=Expected(sha256=download.sha256), urls=download.urls)
    with client(index, timeout=0.1, retries=1) as http, pytest.raises(faults.StalledError):
        fetch(small, store, http)
    released.set()


def test_header_fields_are_sent_along(index: Index, store: Store, http: Http) -> None:
    plain = offered(index)
    download = Download(filename=NAME, urls=plain.urls, headers=(("Referer", "https://origin.example/"),))
    fetch(download, store, http)
    assert index.requests_for(NAME)[0]["Referer"] == "https://origin.example/"


def test_a_blob_that_was_cut_short_is_fetched_anew(index: Index, store: Store, http: Http) -> None:
    download = offered(index)
    fetch(download, store, http)
    place = store.path(str(download.sha256))
    place.chmod(0o644)
    place.write_bytes(b"cut")
    assert fetch(download, store, http) == index.files[NAME].content


def test_a_body_without_end_is_cut_off(index: Index, store: Store, http: Http) -> None:
    download = offered(index)

    def endless(handler: Handler) -> None:
        handler.send_response(200)
        handler.end_headers()
        handler.close_connection = True
        with suppress(ConnectionError):
            for _ in range(1000):
                handler.wfile.write(bytes(CHUNK))

    index.behave(NAME, endless)
    with pytest.raises(faults.SizeMismatchError):
        fetch(download, store, http)
    assert nothing_kept(store)


def test_an_unexpected_error_is_not_hidden(index: Index, store: Store, http: Http) -> None:
    def locate(_: Download) -> tuple[str, ...]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fetch_all([Download(filename=offered(index).filename)], store, http=http, locate=locate)
