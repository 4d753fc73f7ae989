"""Protocols of git that an address does not name: by a redirect of its server, or by a submodule of what is there."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from certificates import Authority
from upstreams import commit, git

from ascend_wheelhouse.origins.git import UnsafeUrlError, pin
from ascend_wheelhouse.origins.mirrors import Mirrors
from ascend_wheelhouse.store.git_source import GitFailedError
from ascend_wheelhouse.store.store import Store


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, str]]:
    """A server of plain HTTP with a repository, and one of HTTPS that leads there."""
    commit(tmp_path / "work", {"a.txt": "a\n"})
    git(tmp_path / "work", "clone", "--quiet", "--bare", ".", str(tmp_path / "www/top.git"))
    git(tmp_path / "www/top.git", "update-server-info")
    plain = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(tmp_path / "www")))
    target = f"http://127.0.0.1:{plain.server_port}"

    class Leading(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(302)
            self.send_header("Location", target + self.path)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    leading = ThreadingHTTPServer(("127.0.0.1", 0), Leading)
    own = Authority(tmp_path, "authority").identity("server")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own.cert, own.key)
    leading.socket = context.wrap_socket(leading.socket, server_side=True)
    monkeypatch.setenv("GIT_SSL_NO_VERIFY", "1")  # it is about where the server leads
    for server in (plain, leading):
        threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"https://127.0.0.1:{leading.server_port}/top.git", f"{target}/top.git"
    for server in (plain, leading):
        server.shutdown()
        server.server_close()


def test_a_server_that_leads_from_https_to_plain_http_is_not_followed(
    site: tuple[str, str], tmp_path: Path
) -> None:
    secure, plain = site
    with pytest.raises(GitFailedError, match="plain HTTP"):
        pin(secure, "main", store=Store(tmp_path / "store"), mirrors=Mirrors())
    assert pin(plain, "main", store=Store(tmp_path / "store"), mirrors=Mirrors()).top.url == plain
    by_mirror = Mirrors(prefixes={secure: plain})
    assert pin(secure, "main", store=Store(tmp_path / "other"), mirrors=by_mirror).top.url == secure


@pytest.mark.parametrize(
    "url", ["file:///srv/private.git", "/srv/private.git", "ext::sh -c x", "--upload-pack=x", "x::y"]
)
def test_a_submodule_of_a_server_is_at_no_place_of_this_host(url: str, tmp_path: Path) -> None:
    top = tmp_path / "servers/top.git"
    pinned = commit(top, {".gitmodules": f'[submodule "inner"]\n\tpath = inner\n\turl = {url}\n'})
    git(top, "update-index", "--add", "--cacheinfo", f"160000,{pinned},inner")
    git(top, "commit", "--quiet", "--message", "submodule")
    mirrors = Mirrors(prefixes={"https://host.test/": f"file://{tmp_path}/servers/"})
    with pytest.raises(UnsafeUrlError, match="inner"):
        pin("https://host.test/top.git", "main", store=Store(tmp_path / "store"), mirrors=mirrors)
