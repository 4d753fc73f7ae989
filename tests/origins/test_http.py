from __future__ import annotations

import gzip
import os
import socket
import threading
from pathlib import Path
from typing import NoReturn

import pytest
import urllib3
from index_server import (
    Behaviour,
    FakeClock,
    Handler,
    Index,
    client,
    cut_after,
    hang_up,
    html_page,
    http_date,
    stall,
    status,
)

from ascend_wheelhouse.origins import answers, faults
from ascend_wheelhouse.origins.answers import head_of
from ascend_wheelhouse.origins.http import Http

pytest_plugins = ["fetch_fixtures"]

_DEAD = "http://127.0.0.1:9"


def _content(http: Http, url: str) -> bytes:
    with http.stream(url) as stream:
        return b"".join(iter(lambda: stream.read(1 << 16), b""))


def test_a_page_comes_whole_with_its_type(index: Index, http: Http) -> None:
    index.raw["/page"] = ("text/html; charset=utf-8", b"<html>")
    page = http.page(f"{index.url}/page")
    assert (page.content, page.content_type) == (b"<html>", "text/html; charset=utf-8")


def test_a_page_that_unfolds_beyond_all_measure_is_refused(
    index: Index, http: Http, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "_LONGEST_PAGE", 1 << 24)
    bomb, headers = gzip.compress(bytes(1 << 28)), {"Content-Encoding": "gzip", "Content-Type": "text/html"}
    index.behave("page", lambda handler: handler.reply(200, bomb, headers))
    with pytest.raises(faults.PageTooLargeError, match="more than 16 MiB") as caught:
        http.page(f"{index.url}/page")
    assert caught.value.exit_code == 4
    assert clock.waits == []


def test_a_missing_page_is_final(index: Index, http: Http, clock: FakeClock) -> None:
    with pytest.raises(faults.NotFoundError, match=r"/nothing: status 404") as caught:
        http.page(f"{index.url}/nothing")
    assert caught.value.exit_code == 4
    assert clock.waits == []


def test_two_server_errors_and_then_an_answer_are_an_answer(
    index: Index, http: Http, clock: FakeClock
) -> None:
    index.raw["/page"] = ("text/html", b"here")
    index.behave("page", status(500), status(503))
    assert http.page(f"{index.url}/page").content == b"here"
    first, second = clock.waits
    assert 0.25 <= first <= 0.5 <= second <= 1.0


def test_an_origin_that_keeps_failing_is_given_up(index: Index, http: Http, clock: FakeClock) -> None:
    index.behave("page", *[status(502)] * 6)
    with pytest.raises(faults.ServerFailedError, match=r"status 502"):
        http.page(f"{index.url}/page")
    assert len(clock.waits) == http.config.retries == 5


@pytest.mark.parametrize("answer", [status(429, Retry_After="50"), status(500)], ids=["429", "500"])
def test_a_host_that_fails_for_a_few_urls_is_not_waited_for_again(
    index: Index, http: Http, clock: FakeClock, answer: Behaviour
) -> None:
    for name in "abcde":
        index.behave(name, *[answer] * 6)
    told = []
    for name in "abcde":
        with pytest.raises(faults.OriginError) as caught:
            http.page(f"{index.url}/{name}")
        told.append("is asked once for each file now" in caught.value.why)
    assert told == [False, False, False, True, True]
    assert len(clock.waits) == 3 * http.config.retries


def test_a_request_to_slow_down_is_obeyed(index: Index, http: Http, clock: FakeClock) -> None:
    index.raw["/page"] = ("text/html", b"here")
    later = http_date(clock.wall() + 11)
    index.behave(
        "page", status(429, Retry_After="7"), status(429, Retry_After=later), status(429, Retry_After="??")
    )
    assert http.page(f"{index.url}/page").content == b"here"
    assert clock.waits[:2] == [7.0, 11.0]
    assert clock.waits[2] <= 2.0


@pytest.mark.parametrize("wait", ["9" * 5000, "\xb2", "Fri, 31 Dec 0001 23:59:59 -2359", "-1"])
def test_a_request_to_wait_for_what_is_no_time_is_not_obeyed(
    index: Index, http: Http, clock: FakeClock, wait: str
) -> None:
    index.raw["/page"] = ("text/html", b"here")
    index.behave("page", status(429, Retry_After=wait))
    assert http.page(f"{index.url}/page").content == b"here"
    assert max(clock.waits) <= 60.0


@pytest.mark.parametrize("size", ["9" * 5000, "\xb2"])
def test_a_size_that_is_no_number_is_unknown(size: str) -> None:
    fields = {"Content-Length": size, "Content-Range": f"bytes {size}-{size}/{size}"}
    for code in (200, 206):
        answer = urllib3.HTTPResponse(body=b"", headers=fields, status=code)
        head = head_of("https://index.invalid/x", answer)
        assert (head.size, head.start) == (None, 0)


def test_a_request_to_wait_for_an_hour_is_cut_short(index: Index, http: Http, clock: FakeClock) -> None:
    index.raw["/page"] = ("text/html", b"here")
    index.behave("page", status(429, Retry_After="3600"))
    http.page(f"{index.url}/page")
    assert clock.waits == [60.0]


def test_a_connection_closed_without_an_answer_is_tried_again(
    index: Index, http: Http, clock: FakeClock
) -> None:
    index.raw["/page"] = ("text/html", b"here")
    index.behave("page", hang_up)
    assert http.page(f"{index.url}/page").content == b"here"
    assert len(clock.waits) == 1


@pytest.mark.parametrize("code", [401, 403])
def test_refused_credentials_are_told(index: Index, http: Http, code: int) -> None:
    index.behave("page", status(code))
    with pytest.raises(faults.AccessDeniedError, match=rf"status {code}") as caught:
        http.page(f"{index.url}/page")
    assert "netrc" in caught.value.next_step


def test_a_redirect_is_followed(index: Index, http: Http) -> None:
    index.raw["/there"] = ("text/html", b"here")
    index.behave("page", status(302, Location="/there"))
    page = http.page(f"{index.url}/page")
    assert (page.content, page.url) == (b"here", f"{index.url}/there")


@pytest.mark.parametrize(
    ("location", "text"),
    [
        ("", "without a Location"),
        ("page", "more than 10 redirects"),
        ("file:///etc/passwd", "redirected to file:"),
    ],
)
def test_a_redirect_to_nowhere_is_final(index: Index, http: Http, location: str, text: str) -> None:
    index.behave("page", *[status(302, **({"Location": location} if location else {}))] * 11)
    with pytest.raises(faults.RedirectError, match=text):
        http.page(f"{index.url}/page")


def test_a_page_of_a_folder_is_html_and_a_pipe_there_is_no_file(http: Http, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<a href='x.whl'>x</a>")
    page = http.page((tmp_path / "index.html").as_uri())
    assert (page.content_type, page.content) == ("text/html", b"<a href='x.whl'>x</a>")
    os.mkfifo(tmp_path / "pipe.html")
    with pytest.raises(faults.NotFoundError, match="it is no plain file"):
        http.page((tmp_path / "pipe.html").as_uri())


@pytest.mark.parametrize("path", ["/a%00b.html", "/" + "a" * 300, "/a%ED%B0%80b.html"])
def test_a_file_that_can_have_no_such_name_is_not_there(http: Http, path: str) -> None:
    with pytest.raises(faults.NotFoundError):
        http.page(f"file://{path}")


def test_a_redirect_to_a_dead_host_names_that_host(index: Index, http: Http) -> None:
    index.behave("page", *[status(302, Location=f"{_DEAD}/x")] * 3)
    with pytest.raises(faults.UnreachableHostError, match=r"127\.0\.0\.1:9/x"):
        http.page(f"{index.url}/page")


def test_a_dead_host_is_waited_for_once_only(clock: FakeClock) -> None:
    with client(clock=clock) as http:
        for _ in range(3):
            with pytest.raises(faults.UnreachableHostError):
                http.page(f"{_DEAD}/page")
    assert len(clock.waits) == 2


@pytest.mark.parametrize(("answer", "waits"), [(socket.EAI_NONAME, 0), (socket.EAI_AGAIN, 2)])
def test_a_host_without_an_address_is_told(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch, answer: int, waits: int
) -> None:
    """At once where the name server knows that there is none; one that does not answer is asked again."""

    def ask(*_: object, **__: object) -> NoReturn:
        raise socket.gaierror(answer, "as the name server said")

    monkeypatch.setattr(socket, "getaddrinfo", ask)
    with (
        client(clock=clock) as http,
        pytest.raises(faults.UnreachableHostError, match=r"^http://no-such-host\.invalid/page"),
    ):
        http.page("http://no-such-host.invalid/page")
    assert len(clock.waits) == waits


def test_a_stalled_body_is_told(index: Index) -> None:
    released = threading.Event()
    index.behave("page", stall(released))
    with client(index, timeout=0.1) as http, pytest.raises(faults.StalledError):
        _content(http, f"{index.url}/page")
    released.set()


def test_a_cut_body_is_told(index: Index, http: Http) -> None:
    index.offer("a-1-py3-none-any.whl", bytes(1000))
    index.behave("a-1-py3-none-any.whl", cut_after(10))
    with pytest.raises(faults.ConnectionBrokenError):
        _content(http, index.file_url("a-1-py3-none-any.whl"))


def test_a_dead_proxy_is_told(index: Index) -> None:
    with client(index, proxy=_DEAD) as http, pytest.raises(faults.ProxyFailedError):
        http.page(f"{index.url}/page")


def test_a_proxy_of_the_environment_is_used_unless_exempted(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.raw["/page"] = ("text/html", b"here")
    monkeypatch.setenv("http_proxy", _DEAD)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with client(index) as http:
        assert http.page(f"{index.url}/page").content == b"here"
    monkeypatch.setenv("no_proxy", "")
    with client(index) as http, pytest.raises(faults.ProxyFailedError):
        http.page(f"{index.url}/page")


@pytest.mark.parametrize(
    "url", ["h/torch/", "ftp://127.0.0.1/torch/", "//127.0.0.1/torch/", "http://[::1/torch/"]
)
def test_a_url_of_another_kind_is_told_and_not_tried_again(http: Http, clock: FakeClock, url: str) -> None:
    for ask in (http.page, http.head, http.digest):
        with pytest.raises(faults.UnknownSchemeError, match=r"its scheme is '(ftp)?'|Invalid IPv6 URL"):
            ask(url)
    assert clock.waits == []


@pytest.mark.parametrize(
    ("target", "kind", "told"),
    [
        ("http://[::1", faults.UnknownSchemeError, "Invalid IPv6 URL"),
        ("http://127.0.0.1:99999/", faults.RedirectError, "Failed to parse"),
        ("http://127.0.0.1:port/", faults.RedirectError, "Failed to parse"),
    ],
)
def test_a_redirect_to_what_is_no_url_is_told(
    index: Index, http: Http, target: str, kind: type[faults.OriginError], told: str
) -> None:
    """A port that is none was a fault of this tool, whoever named it."""
    index.behave("torch", lambda handler: handler.reply(302, headers={"Location": target}))
    with pytest.raises(kind, match=told):
        http.page(f"{index.simple}/torch/")


def test_a_login_in_the_index_url_is_sent_and_never_shown(index: Index) -> None:
    with_login = index.simple.replace("http://", "http://me:s3cret@")
    with client(index, index_url=with_login) as http, pytest.raises(faults.NotFoundError) as caught:
        http.page(f"{with_login}nothing/")
    assert index.requests_for("nothing")[0]["Authorization"] == "Basic bWU6czNjcmV0"
    assert "s3cret" not in str(caught.value)


def test_a_login_of_netrc_is_sent(index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password s3cret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    index.raw["/page"] = ("text/html", b"here")
    with client(index) as http:
        http.page(f"{index.url}/page")
    assert index.requests_for("page")[0]["Authorization"] == "Basic bWU6czNjcmV0"


def test_a_login_is_not_sent_to_another_host(index: Index) -> None:
    index.raw["/there"] = ("text/html", b"here")
    index.behave("page", status(302, Location=f"{index.url.replace('127.0.0.1', 'localhost')}/there"))
    with client(index, index_url=index.simple.replace("http://", "http://me:s3cret@")) as http:
        http.page(f"{index.url}/page")
    assert "Authorization" in index.requests_for("page")[0]
    assert "Authorization" not in index.requests_for("there")[0]


def test_a_mirror_answers_in_place_of_the_origin(index: Index) -> None:
    index.raw["/mirror/file"] = ("text/plain", b"here")
    with client(mirrors={"https://origin.example/": f"{index.url}/mirror/"}) as http:
        assert http.page("https://origin.example/file").content == b"here"


def test_a_folder_can_be_a_mirror(tmp_path: Path) -> None:
    (tmp_path / "a b.run").write_bytes(b"0123456789")
    with client(mirrors={"https://origin.example/": f"{tmp_path.as_uri()}/"}) as http:
        assert _content(http, "https://origin.example/a%20b.run") == b"0123456789"
        assert http.head("https://origin.example/a%20b.run").size == 10
        with http.stream("https://origin.example/a%20b.run", offset=4) as stream:
            assert (stream.head.start, stream.read(100)) == (4, b"456789")
        with pytest.raises(faults.NotFoundError, match=r"No such file"):
            _content(http, "https://origin.example/nothing")


@pytest.mark.parametrize("when", ["before the head", "after the head", "in the body"])
def test_closing_breaks_off_a_request_wherever_it_is(index: Index, when: str) -> None:
    """The origin sends no more: the client goes by itself, long before its patience is over."""
    gone: list[bytes] = []

    def close_and_wait(handler: Handler) -> None:
        if when == "before the head":
            http.close()
        handler.send_response(200)
        handler.send_header("Content-Length", "1000000")
        handler.end_headers()
        if when == "in the body":
            handler.wfile.write(bytes(512))
            assert begun.wait(60)
        if when != "before the head":
            http.close()
        handler.connection.settimeout(60)
        gone.append(handler.connection.recv(1))
        ended.set()

    def read_on() -> None:
        with http.stream(f"{index.url}/page") as stream:
            assert stream.read(10)
            begun.set()
            while stream.read(1000):
                pass

    begun, ended = threading.Event(), threading.Event()
    index.behave("page", close_and_wait)
    with client(index, timeout=600.0) as http, pytest.raises(faults.OriginError):
        read_on()
    assert ended.wait(60)
    assert gone == [b""]


def test_a_client_that_was_closed_asks_nobody(index: Index) -> None:
    with client(index) as http:
        http.close()
        with pytest.raises(faults.ConnectionBrokenError, match="stopped"):
            http.page(f"{index.url}/page")
    assert index.asked == []


def test_an_html_page_is_recognised_by_its_type(index: Index, http: Http) -> None:
    index.behave("page", html_page("text/HTML; charset=utf-8"))
    with http.stream(f"{index.url}/page") as stream:
        assert stream.head.content_type == "text/html"


@pytest.mark.parametrize("status", [403, 405, 501])
def test_a_url_that_allows_no_head_is_asked_by_get_at_once(
    index: Index, http: Http, clock: FakeClock, status: int
) -> None:
    """A signed one does not, nor do small servers, which know no other request than GET (501)."""
    index.raw["/signed"] = ("application/octet-stream", b"0123456789")
    index.refuses_head = status
    assert http.head(f"{index.url}/signed").size == 10
    assert clock.waits == []


def test_a_body_is_never_decoded(index: Index, http: Http) -> None:
    packed = gzip.compress(b"0123456789")
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/x-tar"}
    index.behave("a-1.tar.gz", lambda handler: handler.reply(200, packed, headers))
    assert _content(http, index.file_url("a-1.tar.gz")) == packed


def test_a_page_is_decoded(index: Index, http: Http) -> None:
    headers = {"Content-Encoding": "gzip", "Content-Type": "text/html"}
    index.behave("page", lambda handler: handler.reply(200, gzip.compress(b"<html>"), headers))
    assert http.page(f"{index.url}/page").content == b"<html>"
