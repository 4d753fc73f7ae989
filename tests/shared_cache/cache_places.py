"""Places that hold a cache in tests: a folder, an S3 server behind a proxy that fails on request, an SSH server."""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

SECRET = "secret-of-the-tests"  # noqa: S105 - nobody's
SSHD = Path("/usr/sbin/sshd")
_SERVER = Path(__file__).with_name("s3_server.py")
Rule = Callable[["Asked"], bool]


@dataclass(frozen=True)
class S3Server:
    """A running server: its URL, and logins by name where it asks for rights."""

    url: str
    logins: dict[str, str]

    def cache(self, prefix: str, *, endpoint: str = "", login: str = "") -> str:
        """Return the URL of a cache there."""
        user, _, password = (self.logins.get(login) or f"user:{SECRET}").partition(":")
        place = f"{quote(user, safe='')}:{quote(password, safe='')}@wheels/{prefix}"
        return f"s3://{place}?endpoint={endpoint or self.url}&region=us-east-1"


@contextmanager
def s3_server(*words: str, rights: bool = False) -> Iterator[S3Server]:
    """Run an S3 server in a process of its own."""
    environ = os.environ | ({"INITIAL_NO_AUTH_ACTION_COUNT": "6"} if rights else {})
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", _SERVER, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environ,
        text=True,
    ) as process:
        try:
            assert process.stdout
            told = json.loads(process.stdout.readline())
            yield S3Server(url=told.pop("url"), logins=told)
        finally:
            process.kill()


@dataclass(frozen=True)
class Asked:
    """A request that a proxy sees."""

    method: str
    path: str

    def matches(self, method: str, pattern: str) -> bool:
        """Tell whether it is of a method and its path holds a pattern."""
        return self.method == method and re.search(pattern, self.path) is not None


@dataclass
class Fault:
    """What becomes of the next requests of a kind: an S3 error with its status, or a body that is cut off."""

    method: str
    pattern: str
    times: int
    status: int = 0
    code: str = ""
    cut: int = 0


@dataclass
class Proxy:
    """A proxy in front of a server, and what went through it."""

    url: str = ""
    faults: list[Fault] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    guard: threading.Lock = field(default_factory=threading.Lock)

    def fail(self, method: str, pattern: str, *, times: int = 1_000_000, **how: Any) -> None:  # noqa: ANN401
        """Have the next requests of a kind fail; see `Fault`."""
        self.faults.append(Fault(method=method, pattern=pattern, times=times, **how))

    def take(self, asked: Asked) -> Fault | None:
        """Note a request, and return what is to become of it."""
        with self.guard:
            self.asked.append(asked)
            for one in self.faults:
                if one.times and asked.matches(one.method, one.pattern):
                    one.times -= 1
                    return one
        return None

    def count(self, method: str, pattern: str) -> int:
        """Return how many requests of a kind came."""
        return sum(one.matches(method, pattern) for one in self.asked)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy: Proxy
    target: str

    def log_message(self, *_: object) -> None:
        """Stay quiet."""

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self.proxy.take(Asked(self.command, self.path))
        if fault and fault.status:
            text = f"<Error><Code>{fault.code}</Code><Message>no</Message></Error>".encode()
            self._reply(fault.status, {"Content-Type": "application/xml"}, text)
            return
        connection = http.client.HTTPConnection(self.target, timeout=30)
        headers = {name: value for name, value in self.headers.items() if name.lower() != "expect"}
        connection.request(self.command, self.path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
        told = {name: value for name, value in answer.getheaders() if name.lower() not in _HOP}
        self._reply(answer.status, told, content, cut=fault.cut if fault else 0)
        connection.close()

    def _reply(self, status: int, headers: dict[str, str], content: bytes, *, cut: int = 0) -> None:
        self.send_response(status)
        length = {} if self.command == "HEAD" else {"Content-Length": str(len(content))}
        for name, value in {**headers, **length}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content[: cut or None])
        self.close_connection = bool(cut)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _pass_on  # noqa: N815 - the names that are looked for


_HOP = {"connection", "transfer-encoding", "date", "server"}


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Say nothing: clients may leave as they like."""


@contextmanager
def proxied(url: str) -> Iterator[Proxy]:
    """Run a proxy in front of a server."""
    proxy = Proxy()
    bound = type("BoundHandler", (_Handler,), {"proxy": proxy, "target": urlsplit(url).netloc})
    with _running(bound) as proxy.url:
        yield proxy


@contextmanager
def web_server(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Serve a folder without ranges, as the simplest of web servers do; yield its URL and the paths asked for."""
    asked: list[str] = []

    class Files(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            asked.append(self.path)
            path = folder / self.path.strip("/")
            content = path.read_bytes() if path.is_file() else b""
            self.send_response(200 if path.is_file() else 404)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    with _running(Files) as url:
        yield url, asked


@contextmanager
def _running(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    server = _Server(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def ssh_server(home: Path) -> Iterator[int]:
    """Run an sshd on the loopback for a user whose home is `home`, and yield its port."""
    keys = home / ".ssh"
    keys.mkdir(parents=True, mode=0o700)
    for name in ("host_key", "id_ed25519"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", keys / name], check=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    settings = home / "sshd_config"
    settings.write_text(
        f"ListenAddress 127.0.0.1:{port}\nHostKey {keys}/host_key\nAuthorizedKeysFile {keys}/id_ed25519.pub\n"
        "PidFile none\nStrictModes no\nUsePAM no\nPermitRootLogin yes\nSubsystem sftp internal-sftp\n"
    )
    (keys / "known_hosts").write_text(f"[127.0.0.1]:{port} {(keys / 'host_key.pub').read_text()}")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    with subprocess.Popen([SSHD, "-D", "-f", settings], stderr=subprocess.DEVNULL) as process:
        try:
            _wait_for(port)
            yield port
        finally:
            process.kill()


def _wait_for(port: int) -> None:
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise AssertionError("sshd does not listen")
