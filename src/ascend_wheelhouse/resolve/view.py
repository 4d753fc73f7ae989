"""The index as one resolver run may see it, served on the loopback address to an unpatched pip.

pip has no word for "this name from that index", "never this name", or, on an index that serves HTML, "nothing
newer than". The view has: it fetches a project page from the configured indexes when pip asks for it, leaves
out what the request rules out, and hands the rest on as PEP 691 JSON with PEP 658 metadata; should pip want a
file itself, it is sent to where it is. An excluded name gets a stand-in for each of its versions, wheel or not,
empty and without requirements, so that neither its own dependencies nor its hundreds of megabytes take part.
"""

from __future__ import annotations

import io
import json
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import quote, unquote

from packaging.utils import canonicalize_name

from ascend_wheelhouse.base.errors import WheelhouseError
from ascend_wheelhouse.node import documents
from ascend_wheelhouse.origins.faults import NotFoundError, OriginError
from ascend_wheelhouse.origins.http import Http
from ascend_wheelhouse.resolve.links import ACCEPT, FileObject, read_files, uploaded, version_of
from ascend_wheelhouse.resolve.metadata import MetadataReader, RemoteWheel
from ascend_wheelhouse.resolve.request import ResolveRequest

_JSON = "application/vnd.pypi.simple.v1+json"


class IndexView:
    """Project pages cut down to what a request admits.

    Args:
        request: What it admits.
        http: The HTTP client for the indexes of pip's configuration.
        metadata: Reads the METADATA of wheels.
    """

    def __init__(self, request: ResolveRequest, http: Http, metadata: MetadataReader) -> None:
        self.failures: list[WheelhouseError] = []
        self._metadata = metadata
        self._wheels: dict[str, RemoteWheel] = {}
        self._request = request
        self._http = http
        self._endings = ("-any.whl", f"_{request.target.machine}.whl")
        self._extra = {
            name: [index.pages()[name] for index in request.extra_indexes if name in index.pages()]
            for name in {name for index in request.extra_indexes for name in index.pages()}
        }

    def files(self, name: str) -> list[FileObject]:
        """Return the files of a project that may be used; none if it does not exist or is closed."""
        project = canonicalize_name(name)
        if project in self._request.closed_names:
            return []
        out = project in self._request.excluded
        indexed = [
            file
            for url in self._http.config.index_urls
            for file in self._page(f"{url.rstrip('/')}/{project}/", every=out)
            if self._in_time(file)
        ]
        files = indexed + [
            file for url in self._extra.get(project, ()) for file in self._page(url, every=out)
        ]
        if out:
            return _stand_ins(project, files)
        return [self._offered(file) for file in files]

    def metadata(self, sha256: str) -> bytes | None:
        """Return the METADATA of an offered wheel, None where it cannot be had."""
        try:
            return self._metadata.read(self._wheels[sha256])
        except WheelhouseError as error:
            self.failures.append(error)
            return None

    def place(self, sha256: str) -> str:
        """Return where an offered wheel is."""
        return self._wheels[sha256].url

    def _offered(self, file: FileObject) -> FileObject:
        """Return the file as one of this view, if what it takes to read its METADATA is known."""
        sha256, size = (file.get("hashes") or {}).get("sha256", "").lower(), file.get("size")
        if not documents.sha256(sha256) or not file["url"].startswith("http"):
            return file
        name = file["filename"]
        self._wheels[sha256] = RemoteWheel(url=file["url"], sha256=sha256, size=size)
        return {**file, "url": f"/wheel/{sha256}/{quote(name)}", "core-metadata": True}

    def _page(self, url: str, *, every: bool) -> list[FileObject]:
        """Return the files of a page: `every` one, or the wheels that may be for the target."""
        endings = ("",) if every else self._endings
        try:
            page = self._http.page(url, accept=ACCEPT)
            files = read_files(page.content, page.content_type, page.url, endings=endings)
        except NotFoundError:
            return []
        except OriginError as error:
            self.failures.append(error)
            return []
        return [
            {**file, "url": self._http.mirrors.redirect(file["url"])}
            for file in files
            if every or self._may_fit(file["filename"])
        ]

    def _may_fit(self, filename: str) -> bool:
        """Tell by its name alone, and fast, whether a wheel may be one for the target; pip decides."""
        parts = filename.split("-")
        own = "cp{}{}".format(*self._request.target.python)
        return len(parts) > 4 and (own in parts[-3] or "py3" in parts[-3] or "abi3" in parts[-2])  # noqa: PLR2004

    def _in_time(self, file: FileObject) -> bool:
        cutoff = self._request.cutoff
        time = uploaded(file)
        return cutoff is None or (time is not None and time < cutoff)


@contextmanager
def served(view: IndexView) -> Iterator[str]:
    """Serve the view on a free port of the loopback address and give its URL."""

    class Handler(_Handler):
        index = view

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/simple"
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    index: IndexView
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer with a project page, a wheel's METADATA, its place, or the empty wheel of a stand-in."""
        match unquote(self.path).strip("/").split("/"):
            case ["simple", name]:
                files = self.index.files(name)
                page = {"meta": {"api-version": "1.1"}, "name": name, "files": files}
                self._answer(json.dumps(page).encode() if files else None, _JSON)
            case ["wheel", sha256, filename] if filename.endswith(".metadata"):
                self._answer(self.index.metadata(sha256), "text/plain")
            case ["wheel", sha256, _]:
                self._send_to(self.index.place(sha256))
            case ["stand-in", filename]:
                self._answer(_empty_wheel(filename), "application/zip")
            case _:
                self._answer(None, "text/plain")

    def do_HEAD(self) -> None:
        """Answer as for GET, without the body."""
        self.do_GET()

    def _answer(self, body: bytes | None, content_type: str) -> None:
        self.send_response(HTTPStatus.OK if body is not None else HTTPStatus.NOT_FOUND)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body or b"")))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body or b"")

    def _send_to(self, url: str) -> None:
        self.send_response(HTTPStatus.FOUND)
        self.send_header("Location", url)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ANN401 - the base class's signature
        """Say nothing."""


def _stand_ins(project: str, files: list[FileObject]) -> list[FileObject]:
    versions = sorted({version for file in files if (version := version_of(file))})
    stem = project.replace("-", "_")
    names = [f"{stem}-{version}-py3-none-any.whl" for version in versions]
    return [{"filename": name, "url": f"/stand-in/{name}", "hashes": {}} for name in names]


@lru_cache
def _empty_wheel(filename: str) -> bytes:
    name, version, *_ = filename.split("-")
    info = f"{name}-{version}.dist-info"
    members = {
        "METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        "WHEEL": "Wheel-Version: 1.0\nGenerator: stand-in\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "RECORD": "",
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for member, text in members.items():
            archive.writestr(f"{info}/{member}", text)
    return buffer.getvalue()
