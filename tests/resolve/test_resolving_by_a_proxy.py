"""Resolving where a proxy leads out: pip-tools asks the loopback address itself, and everybody else as it is told."""

from __future__ import annotations

import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from local_index import LocalIndex, serving

from ascend_wheelhouse.cells.target import Target
from ascend_wheelhouse.origins.http import Http
from ascend_wheelhouse.origins.pip_config import PipConfig
from ascend_wheelhouse.resolve.pip_tools import PipToolsResolver
from ascend_wheelhouse.resolve.request import ResolveRequest

OUTSIDE = "index.test"
APP = ResolveRequest(requirements=("app",), target=Target(machine="aarch64"))


@pytest.fixture
def index() -> Iterator[LocalIndex]:
    """An index with one project."""
    with serving(LocalIndex()) as served:
        served.add("app", "1.0")
        yield served


@pytest.fixture
def forward_proxy(index: LocalIndex) -> Iterator[str]:
    """The address of a proxy that knows the index as `index.test`, and, as one on another host, nothing here."""

    class Forwarding(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            if parts.netloc != OUTSIDE:
                self.send_error(403)
                return
            place = parts._replace(netloc=urlsplit(index.url).netloc).geturl()
            asked = urllib.request.Request(place, headers={"Accept": self.headers["Accept"]})  # noqa: S310 - the index
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(asked) as answer:
                body = answer.read()
                self.send_response(200)
                self.send_header("Content-Type", answer.headers["Content-Type"])
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Forwarding) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "all_proxy", "pip's own"])
def test_the_index_is_asked_through_the_proxy_and_the_loopback_is_not(
    index: LocalIndex, forward_proxy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    own = variable == "pip's own"
    if not own:
        monkeypatch.setenv(variable, forward_proxy)
    url = index.url.replace(urlsplit(index.url).netloc, OUTSIDE)
    config = PipConfig(
        index_url=url, retries=0, trusted_hosts=(OUTSIDE,), proxy=forward_proxy if own else None
    )
    resolver = PipToolsResolver(http=Http(config), cache=tmp_path)
    assert resolver.resolve(APP).versions() == {"app": "1.0"}


@pytest.mark.parametrize("exempted", ["*", "{index}", "{index},other.test"])
def test_what_is_exempted_from_the_proxy_stays_so(
    index: LocalIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exempted: str
) -> None:
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, exempted.format(index=urlsplit(index.url).netloc))
    resolver = PipToolsResolver(http=Http(PipConfig(index_url=index.url, retries=0)), cache=tmp_path)
    assert resolver.resolve(APP).versions() == {"app": "1.0"}
