"""A body on its way: what there is at once in one go, and a breath when there is nothing.

A connection yields what has just come, a few packets or one TLS record of 16 KiB, and a dozen threads that wake
for each cost a core. So a read takes all that lies in the socket; when it had to wait, it lets bytes gather for some
milliseconds before the next one, which is far less than any socket's buffer holds. What came before a break is
yielded before the break is told, so that it can be kept.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from urllib3.exceptions import HTTPError

from ascend_wheelhouse.origins.answers import Head

_WAITED_SECONDS = 0.001
_GATHER_SECONDS = 0.008
_MUCH_LEFT = 1 << 19


class _Readable(Protocol):
    def read1(self, amt: int, /) -> bytes: ...


class Stream:
    """A body; `read` gives the next bytes, and `b""` at the end.

    Args:
        head: What the origin said of it.
        source: Where it comes from.
        fault: Turns an error of the source into ours.
        pause: Waits for some seconds, perhaps none, and returns the time afterwards.
    """

    def __init__(
        self,
        head: Head,
        source: _Readable,
        fault: Callable[[Exception], Exception],
        pause: Callable[[float], float],
    ) -> None:
        self.head = head
        self._source = source
        self._fault = fault
        self._pause = pause
        self._left = (head.size or 0) - head.start
        self._broken: Exception | None = None

    def read(self, amount: int) -> bytes:
        """Return the bytes that are there, at most `amount` of them, and at least one before the end.

        Raises:
            OriginError: The connection broke or stalled.
        """
        if self._broken is not None:
            raise self._broken
        pieces: list[bytes] = []
        wanted = amount
        while wanted:
            before = self._pause(0)
            try:
                piece = self._source.read1(wanted)
            except (HTTPError, OSError) as error:
                self._broken = self._fault(error)
                if not pieces:
                    raise self._broken from error
                break
            pieces.append(piece)
            wanted -= len(piece)
            if not piece or self._pause(0) - before > _WAITED_SECONDS:
                break
        self._left -= amount - wanted
        if pieces[-1:] != [b""] and wanted and self._left > _MUCH_LEFT:
            self._pause(_GATHER_SECONDS)
        return b"".join(pieces)
