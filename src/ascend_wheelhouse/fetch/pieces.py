"""A big file in pieces over several connections, so that it is not alone on the line when all others have come.

A dozen connections share a line fairly at best, so a file of twice the average size comes last and its one connection
leaves the line half empty. The pieces are written at their places in one file with holes, and a second one says which
bytes are no holes, so that any run can go on. In the end what has no hole before it becomes the partial of the plain
transfer, which takes over: it digests the whole, and fetches what is missing or wrong where the origin served no
ranges or another file.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from ascend_wheelhouse.base import rights
from ascend_wheelhouse.fetch.transfer import Download, StoppedError, Transfer, Way, open_partial, patiently
from ascend_wheelhouse.node import documents
from ascend_wheelhouse.origins import faults
from ascend_wheelhouse.store.store import CHUNK

LARGE = 4 << 20
PIECE = 2 << 20
_STRETCH = re.compile(rb"([0-9]{1,15}) ([0-9]{1,15}) \.")


@dataclass(kw_only=True)
class _Piece:
    """Bytes `start` to `end` (exclusive) of the file, those before `there` in their place."""

    start: int
    end: int
    there: int


@dataclass(frozen=True, kw_only=True)
class _Holed:
    """The file with holes, and the list of what is in it: a line `start end .` (exclusive) for each stretch."""

    path: Path
    list_path: Path

    @classmethod
    def of(cls, part: Path) -> _Holed:
        """Return that of a partial; a beginning that the partial holds is its first stretch."""
        holed = cls(path=part.with_suffix(".pieces"), list_path=part.with_suffix(".have"))
        if part.exists() and not holed.path.exists():
            holed.list_path.unlink(missing_ok=True)
            holed.add(0, part.stat().st_size)
            part.replace(holed.path)
        return holed

    def add(self, start: int, end: int) -> None:
        """Note a stretch that was written."""
        with self.list_path.open("a", encoding="ascii") as file:
            file.write(f"{start} {end} .\n")
        rights.share(self.list_path, write=True)

    def stretches(self) -> list[tuple[int, int]]:
        """Return what was noted; a line that a kill cut short ran into the next, and says nothing, as garbage does."""
        if not (self.path.exists() and self.list_path.exists()):
            return []
        found = map(_STRETCH.fullmatch, documents.bytes_of(self.list_path).split(b"\n"))
        return [(int(match[1]), int(match[2])) for match in found if match]

    def drop(self) -> None:
        """Forget it."""
        self.path.unlink(missing_ok=True)
        self.list_path.unlink(missing_ok=True)


def comes_in_pieces(download: Download) -> bool:
    """Tell whether a download is big enough, and promised well enough, to be fetched in pieces."""
    remote = bool(download.urls) and download.urls[0].startswith("http")
    return remote and download.sha256 is not None and (download.size or 0) >= LARGE


@dataclass(kw_only=True)
class PiecewiseTransfer(Way):
    """One big download's way into the store; its pieces are fetched by as many threads as like to.

    `comes_in_pieces` holds for what is to be brought.
    """

    def __post_init__(self) -> None:
        self.count = -(-(self.wanted.size or 0) // PIECE)
        self._left = self.count
        self._pieces: list[_Piece] = []
        self._holed: _Holed
        self._part: Path
        self._there = 0
        self._begun = False
        self._plain = False
        self._error: Exception | None = None
        self._held = ExitStack()
        self._guard = threading.Lock()

    def fetch(self, number: int) -> str | None:
        """Fetch a piece; the call that ends the last one returns the file's sha256, all others None.

        Raises:
            WheelhouseError: In that last call only: what `Transfer.run` raises.
        """
        try:
            with self.store.telling():
                self._begin()
                if self._error is None and not self._plain:
                    self._one(self._pieces[number])
        except (faults.OriginError, faults.SizeMismatchError):
            self._plain = True
        except Exception as error:  # noqa: BLE001 - raised by the last call
            self._keep(error)
        with self._guard:
            self._left -= 1
            if self._left:
                return None
        return self._end()

    def _begin(self) -> None:
        with self._guard:
            if self._begun:
                return
            self._begun = True
            try:
                with self.store.telling():
                    self._open()
            except Exception as error:
                self._keep(error)  # before another piece sees that it has begun
                raise

    def _open(self) -> None:
        """Take the partial, and see what an earlier run left."""
        self._part = self._held.enter_context(self.store.partial(self.wanted.key)).path
        self._plain = self.store.has(str(self.wanted.sha256), self.wanted.size)
        self._holed = _Holed.of(self._part)
        self._pieces = list(self._divided(self._holed.stretches()))
        self._there = sum(piece.there - piece.start for piece in self._pieces)
        self.kept(self._there)

    def _keep(self, error: Exception) -> None:
        """Note why it failed: the first fault, which those of other pieces may come of."""
        self._error = self._error or error

    def _divided(self, stretches: list[tuple[int, int]]) -> Iterator[_Piece]:
        size = self.wanted.size or 0
        for start in range(0, size, PIECE):
            end = min(start + PIECE, size)
            reached = (min(last, end) for first, last in stretches if first <= start)
            yield _Piece(start=start, end=end, there=max([start, *reached]))

    def _one(self, piece: _Piece) -> None:
        if piece.there < piece.end:
            patiently(self.http, lambda: piece.there, lambda: self._read(piece))

    def _read(self, piece: _Piece) -> None:
        url, headers, began = self.wanted.urls[0], self.wanted.headers, piece.there
        with (
            self.http.stream(url, offset=began, end=piece.end, headers=headers) as stream,
            open_partial(self._holed.path) as file,
        ):
            if not stream.head.partial or stream.head.start != began or stream.head.size != self.wanted.size:
                raise faults.RangeRefusedError(url, "the origin does not serve ranges")
            file.seek(began)
            try:
                while left := piece.end - piece.there:
                    chunk = stream.read(min(CHUNK, left))
                    if not chunk:
                        text = f"ended {left} bytes before the end of a piece"
                        raise faults.ConnectionBrokenError(url, text)
                    if self.http.stop.is_set():
                        raise StoppedError
                    file.write(chunk)
                    piece.there += len(chunk)
                    self._tell(len(chunk))
            finally:
                with self._guard:
                    self._holed.add(piece.start, piece.there)

    def _tell(self, count: int) -> None:
        with self._guard:
            self._there += count
            there = self._there
        self.progress(there)

    def _end(self) -> str:
        try:
            if self._error is not None:
                raise self._error
            self._keep_the_beginning()
        finally:
            self._held.close()
        return Transfer(wanted=self.wanted, store=self.store, http=self.http, progress=self.progress).run()

    def _keep_the_beginning(self) -> None:
        """Make what has no hole before it the partial."""
        beginning = 0
        for piece in self._pieces:
            if piece.start == beginning:
                beginning = piece.there
        with self.store.telling():
            if beginning:
                os.truncate(self._holed.path, beginning)
                self._holed.path.replace(self._part)
            self._holed.drop()
