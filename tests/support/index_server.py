"""A package index on the loopback that misbehaves on request, and small wheels for it to offer."""

from __future__ import annotations

import hashlib
import io
import json
import ssl
import threading
import zipfile
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import quote, unquote

from packaging.utils import canonicalize_name

from ascend_wheelhouse.origins.http import Http
from ascend_wheelhouse.origins.mirrors import Mirrors
from ascend_wheelhouse.origins.pip_config import PipConfig

Behaviour = Callable[["Handler"], None]


@dataclass(frozen=True, kw_only=True)
class Offered:
    """One file of the index: its bytes and what the index says of it."""

    project: str
    filename: str
    content: bytes
    sha256: str | None
    yanked: str | None = None
    requires_python: str | None = None
    upload_time: str | None = None
    says_size: bool = True


@dataclass(kw_only=True)
class Index:
    """What the server has, how it talks, and what it was asked."""

    url: str = ""
    speaks_json: bool = False
    ranges: bool = True
    etag: bool = False
    refuses_head: int = 0
    files: dict[str, Offered] = field(default_factory=dict)
    raw: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    behaviours: dict[str, deque[Behaviour]] = field(default_factory=lambda: defaultdict(deque))
    asked: list[tuple[str, str, Message]] = field(default_factory=list)

    @property
    def simple(self) -> str:
        """The index URL."""
        return f"{self.url}/simple/"

    def offer(self, filename: str, content: bytes, **said: Any) -> Offered:  # noqa: ANN401 - fields of Offered
        """Add a file; `said` overrides what the index says of it."""
        stem = filename.split("-", 1)[0] if filename.endswith(".whl") else filename.rpartition("-")[0]
        said = {"sha256": hashlib.sha256(content).hexdigest(), **said}
        file = Offered(project=canonicalize_name(stem), filename=filename, content=content, **said)
        self.files[filename] = file
        return file

    def file_url(self, filename: str) -> str:
        """Return where a file is."""
        return f"{self.url}/files/{quote(filename)}"

    def behave(self, filename: str, *behaviours: Behaviour) -> None:
        """Meet the next requests for a file, or a project's page, in these ways, one each."""
        self.behaviours[filename].extend(behaviours)

    def requests_for(self, filename: str, method: str = "GET") -> list[Message]:
        """Return the header fields of every request for a file or a project's page."""
        return [headers for asked, name, headers in self.asked if (asked, name) == (method, filename)]


class Handler(BaseHTTPRequestHandler):
    """Answers from the server's `Index`."""

    protocol_version = "HTTP/1.1"
    index: Index

    def log_message(self, *_: object) -> None:
        """Stay quiet."""

    def do_GET(self) -> None:
        """Answer a request, in the next asked-for way."""
        path = unquote(self.path)
        name = path.rstrip("/").rpartition("/")[2]
        self.index.asked.append((self.command, name, self.headers))
        waiting = self.index.behaviours[name]
        if waiting and self.command == "GET":
            waiting.popleft()(self)
        elif self.command == "HEAD" and self.index.refuses_head:
            self.reply(self.index.refuses_head)
        elif path in self.index.raw:
            kind, content = self.index.raw[path]
            self.reply(200, content, {"Content-Type": kind})
        elif path.startswith("/files/") and name in self.index.files:
            self.send_file(self.index.files[name])
        elif path.startswith("/simple/") and any(file.project == name for file in self.index.files.values()):
            self.send_project(name)
        else:
            self.reply(404, b"no such thing")

    do_HEAD = do_GET  # noqa: N815 - the name that http.server looks for

    def reply(self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> None:
        """Send a whole answer."""
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def send_file(self, file: Offered) -> None:
        """Send a file, from the offset asked for where ranges are served."""
        body, headers, status = file.content, {"Content-Type": "application/octet-stream"}, 200
        if self.index.etag:
            headers["ETag"] = f'"{hashlib.md5(body).hexdigest()}"'  # noqa: S324 - a name, not a proof
        asked = self.headers.get("Range", "")
        same = self.headers.get("If-Range") in {None, headers.get("ETag")}
        if asked and self.index.ranges and same:
            first, _, last = asked.removeprefix("bytes=").partition("-")
            start, end = int(first), min(int(last or len(body)) + 1, len(body))
            if start >= len(body):
                self.reply(416)
                return
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{len(body)}"
            body, status = body[start:end], 206
        self.reply(status, body, headers)

    def send_project(self, project: str) -> None:
        """Send a project's page, in the language that the index speaks."""
        files = [file for file in self.index.files.values() if file.project == project]
        if self.index.speaks_json:
            page = {"meta": {"api-version": "1.1"}, "name": project, "files": list(map(self._as_json, files))}
            kind = "application/vnd.pypi.simple.v1+json"
            self.reply(200, json.dumps(page).encode(), {"Content-Type": kind})
        else:
            links = "\n".join(map(self._as_html, files))
            page_html = (
                f"<!DOCTYPE html><html><title>Links for {project}</title><body>\n{links}</body></html>"
            )
            self.reply(200, page_html.encode(), {"Content-Type": "text/html; charset=utf-8"})

    def _as_json(self, file: Offered) -> dict[str, object]:
        told: dict[str, object] = {
            "filename": file.filename,
            "url": self.index.file_url(file.filename),
            "hashes": {"sha256": file.sha256} if file.sha256 else {},
            "yanked": file.yanked or False,
            "requires-python": file.requires_python,
        }
        if file.says_size:
            told["size"] = len(file.content)
        if file.upload_time:
            told["upload-time"] = file.upload_time
        return told

    def _as_html(self, file: Offered) -> str:
        fragment = f"#sha256={file.sha256}" if file.sha256 else ""
        said = {
            "data-yanked": file.yanked,
            "data-requires-python": (file.requires_python or "").replace(">", "&gt;") or None,
            "data-upload-time": file.upload_time,
        }
        attributes = "".join(f' {name}="{value}"' for name, value in said.items() if value is not None)
        return f'<a href="/files/{quote(file.filename)}{fragment}"{attributes}>{file.filename}</a><br/>'


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Say nothing: clients may leave as they like."""


@contextmanager
def serving(tls: ssl.SSLContext | None = None) -> Iterator[Index]:
    """Run an index on a free port of the loopback, over TLS where a context is given."""
    index = Index()
    server = _Server(("127.0.0.1", 0), type("BoundHandler", (Handler,), {"index": index}))
    index.url = f"http{'s' if tls else ''}://127.0.0.1:{server.server_address[1]}"
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield index
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def status(code: int, **headers: str) -> Behaviour:
    """Answer with a status; underscores in names of header fields stand for hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda handler: handler.reply(code, b"", named)


def html_page(content_type: str = "text/html") -> Behaviour:
    """Answer with a login page and status 200."""
    page = b"<!DOCTYPE html><html><title>Please log in</title></html>"
    return lambda handler: handler.reply(200, page, {"Content-Type": content_type})


def hang_up(handler: Handler) -> None:
    """Close the connection without an answer."""
    handler.close_connection = True


def cut_after(count: int, **headers: str) -> Behaviour:
    """Promise the rest of the file, send `count` bytes of it, and close the connection."""

    def behave(handler: Handler) -> None:
        file = handler.index.files[unquote(handler.path).rpartition("/")[2]]
        start = int(handler.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
        handler.send_response(206 if start else 200)
        for name, value in {"Content-Length": str(len(file.content) - start), **headers}.items():
            handler.send_header(name, value)
        if start:
            size = len(file.content)
            handler.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        handler.end_headers()
        handler.wfile.write(file.content[start : start + count])
        handler.close_connection = True

    return behave


def stall(released: threading.Event) -> Behaviour:
    """Send header fields and half a kilobyte, then nothing until `released`."""

    def behave(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000000")
        handler.end_headers()
        handler.wfile.write(bytes(512))
        handler.wfile.flush()
        released.wait(30)
        handler.close_connection = True

    return behave


class FakeClock:
    """A clock on which waiting takes no time; `waits` are the seconds asked for."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    def monotonic(self) -> float:
        """Return the seconds waited so far."""
        return sum(self.waits)

    def wall(self) -> float:
        """Return a fixed time."""
        return 1_800_000_000.0

    def sleep(self, seconds: float, stop: threading.Event) -> None:
        """Note the wait."""
        if not stop.is_set():
            self.waits.append(seconds)


def http_date(seconds: float) -> str:
    """Return a time as servers write it."""
    return formatdate(seconds, usegmt=True)


@contextmanager
def client(
    index: Index | None = None,
    *,
    clock: FakeClock | None = None,
    mirrors: Mapping[str, str] | None = None,
    **said: Any,  # noqa: ANN401 - fields of PipConfig
) -> Iterator[Http]:
    """Give an HTTP client of `index`, closed at the end; `said` are fields of `PipConfig`."""
    config = PipConfig(**{"index_url": index.simple if index else None, "timeout": 5.0, **said})
    http = Http(config, Mirrors(prefixes=mirrors or {}), clock=clock or FakeClock())
    try:
        yield http
    finally:
        http.close()


def wheel_bytes(name: str, version: str, *, filler: int = 0) -> bytes:
    """Return a wheel whose METADATA states `name` and `version`, with `filler` bytes of content."""
    buffer = io.BytesIO()
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(f"{name}/__init__.py", (bytes(range(251)) * (filler // 251 + 1))[:filler])
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return buffer.getvalue()
