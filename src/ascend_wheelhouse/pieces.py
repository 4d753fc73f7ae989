"""A big file in pieces over several connections, so that it is not alone on the line when all others have come.

A dozen connections share a line fairly, so a file of twice the average size comes last and its one connection
leaves the line half empty. Each piece is a file of its own beside the partial; as soon as all pieces before it are
in, it is appended, so that the partial stays a beginning of the file, which any run can continue. In the end the
plain transfer takes over: it digests the whole, and fetches what is missing or wrong where the origin served no
ranges or another file.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from ascend_wheelhouse.errors import IntegrityError
from ascend_wheelhouse.origins import faults
from ascend_wheelhouse.store import CHUNK
from ascend_wheelhouse.transfer import Download, StoppedError, Transfer, Way, open_partial, patiently

LARGE = 32 << 20
PIECE = 16 << 20


@dataclass(frozen=True, kw_only=True)
class _Piece:
    """Bytes `start` to `end` (exclusive) of the file, and where they gather."""

    start: int
    end: int
    path: Path

    @property
    def missing(self) -> int:
        """How many bytes have not come yet."""
        have = self.path.stat().st_size if self.path.exists() else 0
        return self.end - self.start - have


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
        self._base = Path()
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
            self._error = error
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
            partial = self._held.enter_context(self.store.partial(self.wanted.key))
            self._plain = self.store.has(str(self.wanted.sha256), self.wanted.size)
            self._base = partial.path
            with open_partial(self._base) as file:
                file.truncate(partial.size // PIECE * PIECE)
            self._pieces = list(self._divided())
            have = (piece.end - piece.start - piece.missing for piece in self._pieces)
            self._there = partial.size + sum(have)

    def _divided(self) -> Iterator[_Piece]:
        size = self.wanted.size or 0
        for start in range(0, size, PIECE):
            path = self._base.with_suffix(f".{start // PIECE}.piece")
            yield _Piece(start=start, end=min(start + PIECE, size), path=path)

    def _one(self, piece: _Piece) -> None:
        if piece.start < self._base.stat().st_size:
            return
        if piece.missing < 0:
            piece.path.unlink()
        if piece.missing:
            patiently(self.http, lambda: -piece.missing, lambda: self._read(piece))
        self._append_what_is_next()

    def _read(self, piece: _Piece) -> None:
        url, offset = self.wanted.urls[0], piece.end - piece.missing
        headers = self.wanted.headers
        with (
            self.http.stream(url, offset=offset, end=piece.end, headers=headers) as stream,
            piece.path.open("ab", buffering=0) as file,
        ):
            if not stream.head.partial or stream.head.start != offset or stream.head.size != self.wanted.size:
                raise faults.RangeRefusedError(url, "the origin does not serve ranges")
            while left := piece.end - offset:
                chunk = stream.read(min(CHUNK, left))
                if not chunk:
                    raise faults.ConnectionBrokenError(url, f"ended {left} bytes before the end of a piece")
                if self.http.stop.is_set():
                    raise StoppedError
                file.write(chunk)
                offset += len(chunk)
                self._tell(len(chunk))

    def _tell(self, count: int) -> None:
        with self._guard:
            self._there += count
            there = self._there
        self.progress(there)

    def _append_what_is_next(self) -> None:
        """Append every piece whose turn it is; the guard keeps their order."""
        with self._guard, self._base.open("ab", buffering=0) as base:
            while (size := base.tell()) < (self.wanted.size or 0):
                piece = self._pieces[size // PIECE]
                if piece.missing:
                    return
                with piece.path.open("rb") as file:
                    shutil.copyfileobj(file, base, CHUNK)
                piece.path.unlink()

    def _end(self) -> str:
        self._held.close()
        if self._error is not None:
            raise self._error
        try:
            sha256 = Transfer(
                wanted=self.wanted, store=self.store, http=self.http, progress=self.progress
            ).run()
        except IntegrityError:
            self._drop_pieces()
            raise
        self._drop_pieces()
        return sha256

    def _drop_pieces(self) -> None:
        for piece in self._pieces:
            piece.path.unlink(missing_ok=True)
