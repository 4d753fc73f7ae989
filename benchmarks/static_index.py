"""A static index of a folder of wheels, as plain as a mirror: pages in memory, files by `sendfile`.

    python static_index.py FOLDER ADDRESS PORT

It prints one line when it is ready.
"""

from __future__ import annotations

import hashlib
import json
import socket
import sys
import tempfile
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote, unquote

from packaging.utils import canonicalize_name, parse_sdist_filename, parse_wheel_filename

JSON = "application/vnd.pypi.simple.v1+json"


def digests(folder: Path) -> dict[str, str]:
    """Return the sha256 of each file, from a note of an earlier run where the sizes still fit."""
    key = hashlib.sha256(bytes(folder)).hexdigest()[:12]
    note = Path(tempfile.gettempdir()) / f"wheelhouse-benchmark-{key}.json"
    known = json.loads(note.read_text()) if note.exists() else {}
    found = {}
    for path in sorted(path for path in folder.iterdir() if path.is_file()):
        size = path.stat().st_size
        held = known.get(path.name)
        if held is None or held[0] != size:
            with path.open("rb") as file:
                held = [size, hashlib.file_digest(file, "sha256").hexdigest()]
        found[path.name] = held
    if found != known:
        note.write_text(json.dumps(found))
    return {name: held[1] for name, held in found.items()}


def project(filename: str) -> tuple[str, str]:
    """Return a file's normalised project name and its version."""
    parse = parse_wheel_filename if filename.endswith(".whl") else parse_sdist_filename
    name, version, *_ = parse(filename)
    return canonicalize_name(name), str(version)


def pages(folder: Path) -> dict[str, bytes]:
    """Return the JSON page of each project."""
    files: dict[str, list[dict[str, object]]] = defaultdict(list)
    every = [(place, *item) for place in _places(folder) for item in digests(place).items()]
    for place, filename, sha256 in every:
        size = (place / filename).stat().st_size
        entry = {
            "filename": filename,
            "url": f"/files/{quote(filename)}",
            "hashes": {"sha256": sha256},
            "size": size,
        }
        files[project(filename)[0]].append(entry)
    return {
        name: json.dumps({"meta": {"api-version": "1.1"}, "name": name, "files": entries}).encode()
        for name, entries in files.items()
    }


def _places(folder: Path) -> list[Path]:
    """Return the folder, and `build/` in it where there is one, for what a build needs beside."""
    return [place for place in (folder, folder / "build") if place.is_dir()]


def handler(folder: Path) -> type[BaseHTTPRequestHandler]:
    """Return a request handler for the folder."""
    known = pages(folder)
    paths = {path.name: path for place in _places(folder) for path in place.iterdir() if path.is_file()}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, *_: object) -> None:
            """Stay quiet."""

        def do_GET(self) -> None:
            """Send a page or a file, from the offset asked for."""
            path = unquote(self.path)
            name = path.rstrip("/").rpartition("/")[2]
            if path.startswith("/simple/") and name in known:
                self._head(200, JSON, len(known[name]))
                self.wfile.write(known[name])
            elif path.startswith("/files/") and name in paths:
                self._file(paths[name])
            else:
                self._head(404, "text/plain", 0)

        def do_HEAD(self) -> None:
            """Send the size of a file."""
            self._head(200, "application/octet-stream", paths[Path(unquote(self.path)).name].stat().st_size)

        def _file(self, path: Path) -> None:
            size = path.stat().st_size
            asked = self.headers.get("Range", "")
            first, _, last = asked.removeprefix("bytes=").partition("-")
            start, end = int(first or 0), min(int(last or size) + 1, size)
            more = {"Content-Range": f"bytes {start}-{end - 1}/{size}"} if asked else {}
            self._head(206 if asked else 200, "application/octet-stream", end - start, more)
            self.wfile.flush()
            with path.open("rb") as file:
                self.connection.sendfile(file, start, end - start)

        def _head(self, status: int, kind: str, length: int, more: dict[str, str] | None = None) -> None:
            self.send_response(status)
            for name, value in {"Content-Type": kind, "Content-Length": str(length), **(more or {})}.items():
                self.send_header(name, value)
            self.end_headers()

    return Handler


class Server(ThreadingHTTPServer):
    """A server that takes an address which its namespace does not have yet."""

    daemon_threads = True
    request_queue_size = 256

    def server_bind(self) -> None:
        """Bind before the link is up."""
        self.socket.setsockopt(socket.SOL_IP, 15, 1)  # IP_FREEBIND
        super().server_bind()

    def handle_error(self, *_: object) -> None:
        """Say nothing of a client that left."""


if __name__ == "__main__":
    with Server((sys.argv[2], int(sys.argv[3])), handler(Path(sys.argv[1]))) as server:
        print("ready", flush=True)
        server.serve_forever()
