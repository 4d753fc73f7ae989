"""What runs in an environment asks a server of its own node by itself, and not the proxy of the site."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from small_wheelhouse import SmallWheelhouse, run_installer

from ascend_wheelhouse.node.host.own_addresses import exempted

PROXY = "http://127.0.0.1:9"
ASKING = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=9).read().decode())"
OWN = "127.0.0.1,localhost,0.0.0.0,::1"


@pytest.fixture
def port() -> Iterator[int]:
    """The port of a server on the loopback address."""

    class Serving(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"healthy")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Serving) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The prefix of a small wheelhouse."""
    folder = tmp_path_factory.mktemp("node")
    SmallWheelhouse().write(folder / "house")
    answer = run_installer(folder / "house", "--prefix", folder / "npu", "--insecure-no-signature")
    assert answer.status == 0, answer
    return folder / "npu"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0"])  # noqa: S104 - asked
@pytest.mark.parametrize("told", [{}, {"NO_PROXY": "mirror.example"}, {"no_proxy": "localhost"}])
def test_a_server_of_the_node_is_asked_by_itself(
    installed: Path, port: int, host: str, told: Mapping[str, str]
) -> None:
    usual = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    done = subprocess.run(
        [installed / "run", sys.executable, "-c", ASKING, f"http://{host}:{port}/"],
        env={**usual, "http_proxy": PROXY, **told},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "healthy\n", done.stderr


@pytest.mark.parametrize(
    ("caller", "told"),
    [
        ({}, {}),
        ({"no_proxy": "a.example"}, {}),
        ({"http_proxy": ""}, {}),
        ({"ALL_PROXY": PROXY}, {"no_proxy": OWN, "NO_PROXY": OWN}),
        (
            {"HTTP_PROXY": PROXY, "NO_PROXY": "a.example, localhost"},
            dict.fromkeys(("no_proxy", "NO_PROXY"), "a.example,localhost,127.0.0.1,0.0.0.0,::1"),
        ),
        (
            {"http_proxy": PROXY, "NO_PROXY": "*", "no_proxy": "b.example"},
            {"no_proxy": f"b.example,{OWN}", "NO_PROXY": "*"},
        ),
    ],
)
def test_what_was_exempted_stays_and_nothing_is_told_without_a_proxy(
    caller: Mapping[str, str], told: Mapping[str, str]
) -> None:
    assert exempted(caller) == told
    assert exempted({**caller, **told}) == told
