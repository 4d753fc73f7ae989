"""METADATA of a wheel that lies on an index, without fetching the wheel.

An index without PEP 658 makes pip download every wheel that it looks at: half a gigabyte for one lock. A
wheel is a zip archive with its directory at the end and, by the specification's advice, METADATA just before
it, so one or two range requests give the same. What was read is kept by the wheel's sha256, for every later
lock.
"""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ascend_wheelhouse.base.whole_file import write_whole
from ascend_wheelhouse.node import documents
from ascend_wheelhouse.origins.http import Http
from ascend_wheelhouse.wheels.wheel import BadWheelError, WheelFile

_TAIL = 1 << 16
_AHEAD = 1 << 15


@dataclass(frozen=True, kw_only=True)
class RemoteWheel:
    """A wheel on an index; `size` is in bytes, None where the index does not tell."""

    url: str
    sha256: str
    size: int | None

    @property
    def filename(self) -> str:
        """The name of the file, by its URL."""
        return unquote(urlsplit(self.url).path.rpartition("/")[2])


class MetadataReader:
    """Reads METADATA once for each wheel.

    Args:
        http: The HTTP client.
        folder: Where METADATA files are kept, named by the sha256 of their wheels.
    """

    def __init__(self, http: Http, folder: Path) -> None:
        self._http = http
        self._folder = folder

    def read(self, wheel: RemoteWheel) -> bytes:
        """Return the METADATA of a wheel.

        Raises:
            OriginError: The origin did not give it.
            BadWheelError: It is no wheel.
        """
        kept = self._folder / wheel.sha256
        try:
            return documents.bytes_of(kept)
        except FileNotFoundError:
            content = self._http.trying(lambda: self._fetch(wheel))
            _keep(kept, content)
            return content

    def _fetch(self, wheel: RemoteWheel) -> bytes:
        try:
            with WheelFile.open(_Remote(self._http, wheel), filename=wheel.filename) as opened:
                return opened.metadata_bytes
        except BadWheelError as error:
            raise BadWheelError(
                error.what,
                why="The file at the index is damaged, or a proxy answered in its place.",
                next_step="check the index, then run the same command again",
            ) from error


def _keep(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, content, durable=False)


class _Remote(io.RawIOBase):
    """A file behind a URL, read in blocks by range requests; where ranges are refused, read whole."""

    def __init__(self, http: Http, wheel: RemoteWheel) -> None:
        super().__init__()
        self._http = http
        self._url = wheel.url
        self._size = wheel.size or http.head(wheel.url).size or 0
        self._at = 0
        self._blocks: list[tuple[int, bytes]] = []

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError("before the start of the file")
        self._at = base + offset
        return self._at

    def read(self, amount: int = -1, /) -> bytes:
        end = self._size if amount < 0 else min(self._at + amount, self._size)
        start, block = self._block(self._at, end)
        data = block[self._at - start : end - start]
        self._at += len(data)
        return data

    def _block(self, begin: int, end: int) -> tuple[int, bytes]:
        for start, block in self._blocks:
            if start <= begin and end <= start + len(block):
                return start, block
        begin = min(begin, max(0, self._size - _TAIL))
        end = min(max(end, begin + _AHEAD), self._size)
        self._blocks.append(self._fetched(begin, end))
        return self._blocks[-1]

    def _fetched(self, begin: int, end: int) -> tuple[int, bytes]:
        wanted = (("Range", f"bytes={begin}-{end - 1}"),)
        with self._http.stream(self._url, headers=wanted) as stream:
            pieces = []
            while piece := stream.read(_TAIL):
                pieces.append(piece)
            return stream.head.start, b"".join(pieces)
