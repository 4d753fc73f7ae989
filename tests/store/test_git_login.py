"""A login in the URL of a mirror of git: the server gets it, and no command line of git's does."""

from __future__ import annotations

import base64
import functools
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from upstreams import commit, git

from ascend_wheelhouse.origins.git import pin
from ascend_wheelhouse.origins.mirrors import Mirrors
from ascend_wheelhouse.store.git_login import apart
from ascend_wheelhouse.store.git_source import GitFailedError
from ascend_wheelhouse.store.store import Store

USER, PASSWORD = "me@corp", "s3:cr%t e"
LOGIN = "me%40corp:s3:cr%25t%20e"


class Private(SimpleHTTPRequestHandler):
    """Files for who has the login."""

    def do_GET(self) -> None:
        """Answer, or ask for the login."""
        wanted = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if self.headers.get("Authorization") == f"Basic {wanted}":
            super().do_GET()
            return
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="git"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_words: object) -> None:
        """Say nothing."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """Serve a repository over HTTP as files, which takes no other program; give the server's address."""
    top, bare = (tmp_path / place / "top.git" for place in ("made", "servers"))
    commit(top, {"version.txt": "one\n"})
    git(top, "clone", "--quiet", "--bare", ".", str(bare))
    git(bare, "update-server-info")
    handler = functools.partial(Private, directory=str(tmp_path / "servers"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        try:
            yield f"127.0.0.1:{http.server_port}"
        finally:
            http.shutdown()
            thread.join()


def test_the_server_gets_the_login_and_no_command_line_has_it(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_TRACE", str(tmp_path / "trace"))
    mirrors = Mirrors(prefixes={"https://git.test/": f"http://{LOGIN}@{server}/"})
    source = pin("https://git.test/top.git", "main", store=Store(tmp_path / "store"), mirrors=mirrors)
    assert source.top.url == "https://git.test/top.git"
    started = (tmp_path / "trace").read_text()
    assert f"remote-http http://{server}/top.git" in started
    assert not [one for one in ("s3:cr", "s3%3Acr", PASSWORD) if one in started]


def test_a_wrong_login_is_told_without_it(server: str, tmp_path: Path) -> None:
    mirrors = Mirrors(prefixes={"https://git.test/": f"http://me:wr0ng@{server}/"})
    with pytest.raises(GitFailedError, match="Authentication failed") as caught:
        pin("https://git.test/top.git", "main", store=Store(tmp_path / "store"), mirrors=mirrors)
    assert "wr0ng" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "https://git.test/a.git",
        "https://token@git.test/a.git",
        "ssh://git:x@git.test/a.git",
        "https://me:a%0Ab@git.test/a.git",
        "https://git.test/a:b@c.git",
    ],
)
def test_what_is_no_login_over_http_is_left_as_it_is(url: str) -> None:
    assert apart(["fetch", url, "main"]) == (["fetch", url, "main"], [], {})
