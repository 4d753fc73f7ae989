#!/usr/bin/env python3.11
"""Hands a bundle from node to node: each node fetches from those that have it, and serves it from then on.

The control host pushes the files to one node. Every node asks its peers in an order of its own; one that holds
the file whole sends it from the byte where the asker stopped, to two askers at a time, so the load spreads like
a tree without anybody planning one. A file gets its name only once its sha256 is the one that the control host
named. The standard library of Python 3.11 is all it needs.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import hashlib
import http.client
import io
import json
import os
import shutil
import signal
import socket
import sys
import tarfile
import threading
import time
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer as Buffer

CHUNK = 1 << 20
ASKERS = 2
SILENCE = 5.0
PATIENCE = 10.0
PID_FILE = ".relay.pid"
MANIFEST, INSTALLER = "manifest.json", "install.py"


@dataclass(frozen=True, kw_only=True)
class Item:
    """One file to be handed on: its name, its size in bytes and its sha256."""

    name: str
    size: int
    sha256: str

    def stands(self, folder: Path) -> bool:
        """Tell whether it is there, whole and unchanged."""
        path = folder / self.name
        return path.is_file() and path.stat().st_size == self.size and digest(path) == self.sha256


def digest(path: Path) -> str:
    """Return a file's sha256."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def read_items(text: str) -> list[Item]:
    """Read what `index` printed; names must be plain file names."""
    try:
        items = [Item(**entry) for entry in json.loads(text)]
    except (ValueError, TypeError) as error:
        sys.exit(f"error: --items is not what `index` prints: {error}")
    if any(Path(item.name).name != item.name for item in items):
        sys.exit("error: a file's name may not hold a path")
    return items


def index(paths: Sequence[Path]) -> list[dict[str, Any]]:
    """Describe files, for `--items`."""
    return [{"name": path.name, "size": path.stat().st_size, "sha256": digest(path)} for path in paths]


class Server(ThreadingHTTPServer):
    """Serves the files of one folder by name and offset."""

    daemon_threads = True

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.places = threading.Semaphore(ASKERS)
        self.address_family = socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET
        super().__init__(("", port), Handler)


class Handler(BaseHTTPRequestHandler):
    """Answers `GET /<name>?<offset>` with the rest of a whole file, 404 for others, 503 when busy."""

    server: Server

    def do_GET(self) -> None:
        """Send what was asked for, if there is a place."""
        name, _, offset = self.path.lstrip("/").partition("?")
        path = self.server.folder / name
        if name.startswith(".") or Path(name).name != name or not path.is_file():
            return self.send_error(HTTPStatus.NOT_FOUND)
        if not self.server.places.acquire(blocking=False):
            return self.send_error(HTTPStatus.SERVICE_UNAVAILABLE)
        try:
            return self._send(path, int(offset or 0))
        finally:
            self.server.places.release()

    def _send(self, path: Path, offset: int) -> None:
        self.connection.settimeout(SILENCE * 2)
        with path.open("rb") as stream, contextlib.suppress(OSError):
            stream.seek(offset)
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Length", str(max(0, path.stat().st_size - offset)))
            self.end_headers()
            shutil.copyfileobj(stream, self.wfile, CHUNK)

    def log_message(self, *_: object) -> None:
        """Say nothing: nobody reads it."""


def serve(folder: Path, port: int, seconds: float) -> None:
    """Serve a folder from a process of its own until `stop`, or until the time is over."""
    server = _server(folder, port, PATIENCE if stop(folder) else 0)
    if child := os.fork():
        (folder / PID_FILE).write_text(str(child))  # here: a `stop` right after this must find it
        return
    os.setsid()
    quiet = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(quiet, number)
    threading.Timer(seconds, server.shutdown).start()
    server.serve_forever()
    os._exit(0)


def _server(folder: Path, port: int, patience: float) -> Server:
    """Return the server, once its port is free: a server that was ended just now may still have it."""
    deadline = time.monotonic() + patience
    while True:
        try:
            return Server(folder, port)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or time.monotonic() > deadline:
                sys.exit(
                    f"error: port {port} cannot be served: {error.strerror}; name another port for the relay"
                )
        time.sleep(0.05)


def stop(folder: Path) -> bool:
    """End the server of a folder, if it is one of ours, and tell whether it was."""
    stopped = False
    with contextlib.suppress(OSError, ValueError):
        pid = int((folder / PID_FILE).read_text())
        if b"relay.py" in Path(f"/proc/{pid}/cmdline").read_bytes():
            os.kill(pid, signal.SIGTERM)
            stopped = True
    (folder / PID_FILE).unlink(missing_ok=True)
    return stopped


def fetch(
    folder: Path, items: Sequence[Item], peers: Sequence[str], port: int, seconds: float
) -> dict[str, int]:
    """Fetch what is missing from whoever has it; return the bytes that each peer sent.

    Raises:
        SystemExit: The time is over.
    """
    sent: dict[str, int] = {}
    silent: dict[str, float] = {}
    deadline = time.monotonic() + seconds
    missing = [item for item in items if not item.stands(folder)]
    while missing:
        for peer in [peer for peer in peers if silent.get(peer, 0) < time.monotonic()]:
            try:
                sent[peer] = sent.get(peer, 0) + ask(peer, port, folder, missing[0])
            except OSError:
                silent[peer] = time.monotonic() + SILENCE * 2
            if missing[0].stands(folder):
                missing.pop(0)
                break
        if missing and time.monotonic() > deadline:
            sys.exit(f"error: no peer sent {missing[0].name} in {seconds:.0f} s; asked {', '.join(peers)}")
        time.sleep(0.1)
    return {peer: count for peer, count in sent.items() if count}


def ask(peer: str, port: int, folder: Path, item: Item) -> int:
    """Ask one peer for the rest of a file, keep what came, and return how many bytes that was.

    Raises:
        OSError: The peer does not answer.
    """
    part = folder / f"{item.name}.part"
    start = part.stat().st_size if part.exists() else 0
    with contextlib.closing(http.client.HTTPConnection(peer, port, timeout=SILENCE)) as connection:
        connection.request("GET", f"/{item.name}?{start}")
        answer = connection.getresponse()
        if answer.status != HTTPStatus.OK:
            return 0
        with part.open("ab") as stream, contextlib.suppress(OSError, http.client.HTTPException):
            shutil.copyfileobj(answer, stream, CHUNK)
    size = part.stat().st_size
    if size >= item.size:
        _accept(part, item)
    return size - start


def _accept(part: Path, item: Item) -> None:
    if part.stat().st_size == item.size and digest(part) == item.sha256:
        part.replace(part.with_suffix(""))
    else:
        part.unlink()


def installer(folder: Path, items: Sequence[Item], target: Path, wanted: str) -> bool:
    """Unpack `install.py` and the manifest of a bundle; tell whether anything was different.

    Args:
        folder: Where the bundle is.
        items: Its files.
        target: Where to.
        wanted: The sha256 that `install.py` must have, as hexadecimal digits; whatever it is when empty.
    """
    joined = io.BufferedReader(Joined([folder / item.name for item in items]))
    with joined, tarfile.open(fileobj=joined, mode="r|") as tar:
        found = dict(_leading(tar))
    text = found.get(INSTALLER, b"")
    if not zipfile.is_zipfile(io.BytesIO(text)):
        sys.exit(
            f"error: the bundle holds no {INSTALLER} that is one whole file: pack it anew with `invoke bundle`"
        )
    if wanted not in ("", hashlib.sha256(text).hexdigest()):
        sys.exit(
            f"error: {INSTALLER} has the sha256 {hashlib.sha256(text).hexdigest()}, not {wanted}: nothing was run"
        )
    target.mkdir(parents=True, exist_ok=True)
    changed = False
    for name, text in found.items():
        path = target / name
        if not path.is_file() or path.read_bytes() != text:
            path.write_bytes(text)
            changed = True
    return changed


def _leading(tar: tarfile.TarFile) -> Iterator[tuple[str, bytes]]:
    """Yield the manifest and `install.py`, the one file that runs; a bundle holds them before everything big."""
    for member in tar:
        content = tar.extractfile(member) if member.name in (MANIFEST, INSTALLER) else None
        if content:
            yield member.name, content.read()
        if member.name == INSTALLER:
            return


class Joined(io.RawIOBase):
    """Several files read as one, from the first byte to the last."""

    def __init__(self, paths: Sequence[Path]) -> None:
        super().__init__()
        self._streams = [path.open("rb") for path in paths]

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def readinto(self, buffer: Buffer) -> int:
        """Fill the buffer from the first file that still has something; 0 at the end of the last."""
        while self._streams:
            count = self._streams[0].readinto(buffer)
            if count:
                return count
            self._streams.pop(0).close()
        return 0


def main() -> None:
    """Run one command and print what came of it as JSON."""
    parser = argparse.ArgumentParser(description="Hand a bundle from node to node.")
    parser.add_argument("command", choices=("index", "have", "serve", "fetch", "installer", "stop"))
    parser.add_argument("paths", nargs="*", type=Path)
    parser.add_argument("--folder", type=Path, default=Path())
    parser.add_argument("--items", default="[]")
    parser.add_argument("--peers", default="")
    parser.add_argument("--port", type=int, default=18650)
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--target", type=Path)
    parser.add_argument("--installer", default="")
    options = parser.parse_args()
    try:
        answer = act(options)
    except OSError as error:
        sys.exit(f"error: {error}")
    print(json.dumps(answer, sort_keys=True), flush=True)


def act(options: argparse.Namespace) -> Any:  # noqa: ANN401 - each command has an answer of its own
    """Do what the options ask and return what is printed."""
    folder, items = options.folder, read_items(options.items)
    if options.command == "index":
        return index(options.paths)
    folder.mkdir(parents=True, exist_ok=True)
    if options.command == "have":
        return {"have": all(item.stands(folder) for item in items)}
    if options.command == "fetch":
        peers = [peer for peer in options.peers.split(",") if peer]
        sent = fetch(folder, items, peers, options.port, options.seconds)
        return {"changed": bool(sent), "sent": sent}
    if options.command == "installer":
        return {"changed": installer(folder, items, options.target or folder, options.installer)}
    if options.command == "serve":
        serve(folder, options.port, options.seconds)
    else:
        stop(folder)
    return {"changed": False}


if __name__ == "__main__":
    main()
