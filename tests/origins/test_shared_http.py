"""Clients of several runs over one set of connections: pages once, and each its own end."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from index_server import Handler, client, serving, status

from ascend_wheelhouse.origins import faults
from ascend_wheelhouse.origins.shared_http import SharedHttp

NAME = "numpy-2.0-py3-none-any.whl"


def test_a_page_is_asked_for_once_however_many_want_it_at_a_time() -> None:
    with serving() as index, client(index) as http:
        index.offer(NAME, b"x")
        shared = SharedHttp(http)
        both = threading.Barrier(2)

        def ask() -> bytes:
            one = shared.client()
            both.wait()
            return one.page(f"{index.simple}numpy/").content

        with ThreadPoolExecutor(2) as pool:
            first, second = (pool.submit(ask) for _ in range(2))
            assert first.result() == second.result()
        assert len(index.requests_for("numpy")) == 1


def test_a_page_that_failed_is_asked_for_again() -> None:
    with serving() as index, client(index) as http:
        index.offer(NAME, b"x")
        index.behave("numpy", status(404))
        shared = SharedHttp(http)
        with pytest.raises(faults.NotFoundError):
            shared.client().page(f"{index.simple}numpy/")
        assert NAME.encode() in shared.client().page(f"{index.simple}numpy/").content


def test_a_run_that_ends_its_client_ends_no_other() -> None:
    with serving() as index, client(index) as http:
        index.offer(NAME, b"content")
        shared = SharedHttp(http)
        ended, other = shared.client(), shared.client()
        ended.close()
        with pytest.raises(faults.ConnectionBrokenError, match="stopped"):
            ended.page(f"{index.simple}numpy/")
        with other.stream(index.file_url(NAME)) as stream:
            assert stream.read(100) == b"content"


def test_closing_all_breaks_off_a_request_that_waits_for_its_answer() -> None:
    reached, go_on = threading.Event(), threading.Event()

    def hold(handler: Handler) -> None:
        reached.set()
        go_on.wait(30)
        handler.reply(503)

    with serving() as index, client(index) as http:
        index.offer(NAME, b"content")
        index.behave("numpy", hold)
        shared = SharedHttp(http)
        with ThreadPoolExecutor(1) as pool:
            asking = pool.submit(shared.client().page, f"{index.simple}numpy/")
            assert reached.wait(60)
            shared.close()
            go_on.set()
            with pytest.raises(faults.OriginError):
                asking.result(timeout=60)
        with pytest.raises(faults.ConnectionBrokenError, match="stopped"):
            shared.client().page(f"{index.simple}numpy/")
