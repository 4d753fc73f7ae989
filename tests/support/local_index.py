"""A package index on the loopback address, of wheels made on the fly, with upload times in its pages."""

import hashlib
import io
import json
import re
import threading
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

_JSON = "application/vnd.pypi.simple.v1+json"


def wheel_bytes(
    name: str, version: str, requires: Sequence[str] = (), tag: str = "py3-none-any", *, padding: int = 0
) -> bytes:
    """Return a wheel with one module, these requirements, and so many bytes before them."""
    stem = name.replace("-", "_")
    info = f"{stem}-{version}.dist-info"
    needs = "".join(f"Requires-Dist: {line}\n" for line in requires)
    members = {
        "padding": "\0" * padding,
        f"{stem}.py": f"version = {version!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    rows = "".join(f"{path},,\n" for path in [*members, f"{info}/RECORD"])
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, text in {**members, f"{info}/RECORD": rows}.items():
            archive.writestr(zipfile.ZipInfo(path), text)
    return buffer.getvalue()


def wheel_name(name: str, version: str, tag: str = "py3-none-any") -> str:
    """Return the file name that goes with `wheel_bytes`."""
    return f"{name.replace('-', '_')}-{version}-{tag}.whl"


def write_wheel(
    folder: Path, name: str, version: str, requires: Sequence[str] = (), tag: str = "py3-none-any"
) -> Path:
    """Write a wheel into `folder` and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / wheel_name(name, version, tag)
    path.write_bytes(wheel_bytes(name, version, requires, tag))
    return path


@dataclass
class LocalIndex:
    """What the server offers, what it was asked, and how many bytes of wheels it sent."""

    url: str = ""
    upload_times: bool = True
    speaks_json: bool = False
    ranges: bool = True
    sent: int = 0
    files: dict[str, bytes] = field(default_factory=dict)
    rows: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def add(
        self,
        name: str,
        version: str,
        requires: Sequence[str] = (),
        *,
        tag: str = "py3-none-any",
        when: str = "2025-01-01",
        padding: int = 0,
    ) -> None:
        """Offer a wheel, uploaded on the day `when`."""
        filename = wheel_name(name, version, tag)
        content = wheel_bytes(name, version, requires, tag, padding=padding)
        self.files[filename] = content
        self.rows.setdefault(name, []).append((filename, when))

    def page(self, name: str) -> bytes | None:
        """Return the project page, in the language that the index speaks."""
        if name not in self.rows:
            return None
        files = [self._row(filename, when) for filename, when in self.rows[name]]
        if self.speaks_json:
            meta = {"api-version": "1.1"}
            return json.dumps({"meta": meta, "name": name, "versions": [], "files": files}).encode()
        anchors = "".join(map(_anchor, files))
        return f"<!DOCTYPE html><html><body>{anchors}</body></html>".encode()

    def _row(self, filename: str, when: str) -> dict[str, Any]:
        content = self.files[filename]
        time = {"upload-time": f"{when}T00:00:00Z"} if self.upload_times else {}
        hashes = {"sha256": hashlib.sha256(content).hexdigest()}
        url = f"../../files/{filename}"
        return {"filename": filename, "url": url, "hashes": hashes, "size": len(content), **time}


@contextmanager
def serving(index: LocalIndex) -> Iterator[LocalIndex]:
    """Serve the index until the end of the block; `index.url` is its root."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            index.asked.append(self.path)
            kind, _, name = self.path.strip("/").replace("%2B", "+").partition("/")
            body = index.files.get(name) if kind == "files" else index.page(name)
            wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
            whole = len(body or b"")
            if body is not None and wanted and index.ranges:
                begin, end = int(wanted[1]), int(wanted[2] or whole - 1)
                body = body[begin : end + 1]
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {begin}-{begin + len(body) - 1}/{whole}")
            else:
                self.send_response(200 if body is not None else 404)
            index.sent += len(body or b"") if kind == "files" else 0
            page = _JSON if index.speaks_json else "text/html"
            self.send_header("Content-Type", page if kind == "simple" else "application/zip")
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body or b"")

        do_HEAD = do_GET  # noqa: N815 - the base class's name

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        index.url = f"http://127.0.0.1:{server.server_address[1]}/simple"
        try:
            yield index
        finally:
            server.shutdown()
            thread.join()


def _anchor(file: dict[str, Any]) -> str:
    time = f' data-upload-time="{file["upload-time"]}"' if "upload-time" in file else ""
    return f'<a href="{file["url"]}#sha256={file["hashes"]["sha256"]}"{time}>{file["filename"]}</a><br/>'
