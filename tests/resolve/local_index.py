"""A package index on the loopback address, of wheels made on the fly, with upload times in its pages."""

import hashlib
import io
import threading
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


def wheel_bytes(name: str, version: str, requires: Sequence[str] = (), tag: str = "py3-none-any") -> bytes:
    """Return a wheel with one module and these requirements."""
    stem = name.replace("-", "_")
    info = f"{stem}-{version}.dist-info"
    needs = "".join(f"Requires-Dist: {line}\n" for line in requires)
    members = {
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
    """What the server offers and what it was asked."""

    url: str = ""
    upload_times: bool = True
    files: dict[str, bytes] = field(default_factory=dict)
    rows: dict[str, list[str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def add(
        self,
        name: str,
        version: str,
        requires: Sequence[str] = (),
        *,
        tag: str = "py3-none-any",
        when: str = "2025-01-01",
    ) -> None:
        """Offer a wheel, uploaded on the day `when`."""
        filename = wheel_name(name, version, tag)
        content = wheel_bytes(name, version, requires, tag)
        self.files[filename] = content
        digest = hashlib.sha256(content).hexdigest()
        time = f' data-upload-time="{when}T00:00:00Z"' if self.upload_times else ""
        row = f'<a href="../../files/{filename}#sha256={digest}"{time}>{filename}</a><br/>'
        self.rows.setdefault(name, []).append(row)


@contextmanager
def serving(index: LocalIndex) -> Iterator[LocalIndex]:
    """Serve the index until the end of the block; `index.url` is its root."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            index.asked.append(self.path)
            kind, _, name = self.path.strip("/").replace("%2B", "+").partition("/")
            body = index.files.get(name) if kind == "files" else _page(index.rows.get(name))
            self.send_response(200 if body is not None else 404)
            self.send_header("Content-Type", "text/html" if kind == "simple" else "application/zip")
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


def _page(rows: list[str] | None) -> bytes | None:
    return None if rows is None else f"<!DOCTYPE html><html><body>{''.join(rows)}</body></html>".encode()
